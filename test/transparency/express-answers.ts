/** The ways Express's response can be used. */
import { join } from 'node:path';
import { each, scenarios, type Answer, type Scenario } from './scenario.js';

const STATUSES = [200, 201, 204, 205, 206, 302, 304, 400, 403, 404, 422, 429, 500, 503];
const FILE = join(__dirname, 'fixtures/page.html');
const OPTIONS = { root: join(__dirname, 'fixtures') };

const sends: Readonly<Record<string, Answer>> = {
  ...each(STATUSES, (status) => `status ${status} with text`, (status) => (_req, res) => void res.status(status).send('text')), // prettier-ignore
  ...each(STATUSES, (status) => `sendStatus ${status}`, (status) => (_req, res) => void res.sendStatus(status)), // prettier-ignore
  json: (_req, res) => void res.json({ a: 1, b: [true, null, 'ü'] }),
  'json null': (_req, res) => void res.json(null),
  'json with a status': (_req, res) => void res.status(201).json({ id: 7 }),
  jsonp: (_req, res) => void res.jsonp({ a: 1 }),
  'an object by send': (_req, res) => void res.send({ a: 1 }),
  'a boolean by send': (_req, res) => void res.send(true),
  'null by send': (_req, res) => void res.send(null),
  'a buffer by send': (_req, res) => void res.send(Buffer.from('bytes')),
  'an empty send': (_req, res) => void res.send(),
  'text of a type': (_req, res) => void res.type('txt').send('plain'),
  'a charset': (_req, res) => void res.set('Content-Type', 'text/plain; charset=iso-8859-1').send('caf\u00e9'),
  'a weak ETag of its own': (_req, res) => void res.set('ETag', 'W/"mine"').send('tagged'),
  'a strong ETag of its own': (_req, res) => void res.set('ETag', '"x"').send('tagged'),
  'Last-Modified': (_req, res) => void res.set('Last-Modified', 'Wed, 01 Jan 2020 00:00:00 GMT').send('old'),
  'both validators': (_req, res) =>
    void res.set({ ETag: '"x"', 'Last-Modified': 'Wed, 01 Jan 2020 00:00:00 GMT' }).send('old'),
  'end after a status': (_req, res) => void res.status(202).end(),
  'a large text': (_req, res) => void res.send('x'.repeat(100_000)),
};

const fields: Readonly<Record<string, Answer>> = {
  'set of an object': (_req, res) => void res.set({ 'X-One': '1', 'X-Two': '2' }).send('set'),
  append: (_req, res) => void res.append('Link', '<a>; rel=next').append('Link', '<b>; rel=prev').send('links'),
  links: (_req, res) => void res.links({ next: 'http://example.test/2' }).send('links'),
  vary: (_req, res) => void res.vary('Accept').vary('Origin').send('vary'),
  location: (_req, res) => void res.location('/elsewhere').status(201).send('made'),
  redirect: (_req, res) => void res.redirect('/elsewhere'),
  'redirect 301': (_req, res) => void res.redirect(301, 'http://example.test/a?b=c'),
  'redirect to odd characters': (_req, res) => void res.redirect('/sch\u00f6n?q="<>'),
  cookie: (_req, res) => void res.cookie('a', '1', { httpOnly: true, sameSite: 'lax' }).send('cookie'),
  'several cookies': (_req, res) => void res.cookie('a', '1').cookie('b', { c: 1 }).clearCookie('d').send('cookies'),
  attachment: (_req, res) => void res.attachment('report.csv').send('a,b'),
  format: (_req, res) =>
    void res.format({ text: () => res.send('t'), html: () => res.send('<p>h</p>'), json: () => res.json({ j: 1 }) }),
  'format without a match': (_req, res) => void res.format({ 'image/x-none': () => res.send('never') }),
  private: (_req, res) => void res.set('Cache-Control', 'private, max-age=60').send('mine'),
  'no-store': (_req, res) => void res.set('Cache-Control', 'no-store').send('never kept'),
  'no-cache': (_req, res) => void res.set('Cache-Control', 'no-cache').send('asked again'),
  'a page with a session cookie': (_req, res) => void res.cookie('sid', 'abc').set('Vary', 'Cookie').send('session'),
  'Content-Security-Policy': (_req, res) => void res.set('Content-Security-Policy', "default-src 'self'").send('csp'),
};

const files: Readonly<Record<string, Answer>> = {
  sendFile: (_req, res) => void res.sendFile(FILE),
  'sendFile below a root': (_req, res) => void res.sendFile('page.html', OPTIONS),
  'sendFile without caching': (_req, res) => void res.sendFile(FILE, { cacheControl: false, etag: false }),
  'sendFile without ranges': (_req, res) => void res.sendFile(FILE, { acceptRanges: false, lastModified: false }),
  'sendFile with fields': (_req, res) => void res.sendFile(FILE, { headers: { 'X-File': '1' } }),
  'a missing file': (_req, res) => void res.sendFile('missing.html', OPTIONS),
  'a missing file with a callback': (_req, res) =>
    void res.sendFile('missing.html', OPTIONS, (error) => {
      if (error) res.status(404).send('not here');
    }),
  'a path out of the root': (_req, res) => void res.sendFile('../scenario.ts', OPTIONS),
  'a dotfile': (_req, res) => void res.sendFile('.hidden', OPTIONS),
  download: (_req, res) => void res.download(FILE, 'seite.html'),
};

const requests: Readonly<Record<string, Answer>> = {
  'method and body length': (req, res) => void res.json([req.method, req.headers['content-length'] ?? null]),
  query: (req, res) => void res.json(req.query),
  'fresh and stale': (req, res) => void res.set('ETag', '"x"').send(`${req.fresh} ${req.stale}`),
  accepts: (req, res) => void res.send(String(req.accepts(['html', 'json']))),
  range: (req, res) => void res.json(req.range(1000) ?? null),
  is: (req, res) => void res.send(String(req.is('json'))),
  'path and base': (req, res) => void res.json([req.path, req.baseUrl, req.route !== undefined]),
};

const echoes: Readonly<Record<string, Answer>> = {
  'raw fields': (req, res) => void res.json(req.rawHeaders),
  'version and target': (req, res) => void res.json([req.httpVersion, req.url, req.originalUrl]),
  'host, protocol, ip': (req, res) => void res.json([req.hostname, req.protocol, req.secure, req.ip]),
};

/** Everything that Express adds to Node. */
export const EXPRESS_SCENARIOS: readonly Scenario[] = [
  ...scenarios('send', sends),
  ...scenarios('field', fields),
  ...scenarios('file', files),
  ...scenarios('request', requests),
  ...scenarios('echo', echoes, { echoes: true }),
];
