/** express-session: when a session is made, saved, touched, renewed and ended, and the cookie that goes with it. */
import type { Express, Request, RequestHandler } from 'express';
import { load, underExpress, type PackageSuite } from './suite.js';

interface Session {
  visits?: number;
  save(done: () => void): void;
  reload(done: () => void): void;
  regenerate(done: () => void): void;
  destroy(done: () => void): void;
  touch(): void;
  cookie: { maxAge: number };
}

type WithSession = Request & { session: Session | null; sessionID: string };
type Handler = (req: WithSession, res: Parameters<RequestHandler>[1]) => void;

const answers: Readonly<Record<string, Handler>> = {
  untouched: (_req, res) => void res.send('untouched'),
  visit(req, res) {
    req.session!.visits = (req.session!.visits ?? 0) + 1;
    res.send(`visit ${req.session!.visits} of ${req.sessionID}`);
  },
  saved(req, res) {
    req.session!.visits = 10;
    req.session!.save(() => res.redirect('visit'));
  },
  reloaded(req, res) {
    req.session!.visits = 99;
    req.session!.reload(() => res.send(`reloaded ${req.session!.visits}`));
  },
  regenerated: (req, res) => req.session!.regenerate(() => res.send(`now ${req.sessionID}`)),
  destroyed: (req, res) => req.session!.destroy(() => res.send('destroyed')),
  unset(req, res) {
    req.session = null;
    res.send('unset');
  },
  lifetime(req, res) {
    req.session!.cookie.maxAge = 90_000;
    res.send('lifetime');
  },
  streamed(req, res) {
    req.session!.visits = 20;
    res.write('first, ');
    res.end('last');
  },
  empty(req, res) {
    req.session!.visits = 30;
    res.status(204).end();
  },
  cacheable: (req, res) => void res.set('Cache-Control', 'private, max-age=60').send(`visits ${req.session!.visits}`),
  json: (req, res) => void res.json({ visits: req.session!.visits ?? null }),
};

function define(app: Express): void {
  const session = load<(options: object) => RequestHandler>('express-session');
  let made = 0;
  const common = { secret: ['new', 'old'], resave: false, saveUninitialized: false, genid: () => `session-${++made}` };
  app.use('/s', session({ ...common, name: 'sid', unset: 'destroy' }));
  app.use('/rolling', session({ ...common, name: 'rolling', rolling: true, cookie: { maxAge: 60_000, sameSite: 'strict' } })); // prettier-ignore
  app.use('/eager', session({ ...common, name: 'eager', saveUninitialized: true, resave: true }));
  app.use('/secure', session({ ...common, name: 'secure', cookie: { secure: true } }));
  for (const base of ['/s', '/rolling', '/eager', '/secure']) {
    for (const [name, answer] of Object.entries(answers)) app.all(`${base}/${name}`, answer as unknown as RequestHandler);
  } // prettier-ignore
}

const NO_COOKIE = /^(?![^]*Set-Cookie)/;

export const expressSession: PackageSuite = {
  packages: ['express-session'],
  builds: underExpress(define),
  steps: [
    { name: 'nothing stored', target: '/s/untouched', status: 200, shows: NO_COOKIE },
    { name: 'a new session', target: '/s/visit', status: 200, shows: /Set-Cookie: sid=s%3A[^]*visit 1 / },
    { name: 'the same session', target: '/s/visit', status: 200, shows: /^(?![^]*Set-Cookie)[^]*visit 2 / },
    { name: 'read only', target: '/s/json', status: 200, shows: /\{"visits":2\}/ },
    { name: 'HEAD', method: 'HEAD', target: '/s/visit', status: 200 },
    { name: 'POST', method: 'POST', target: '/s/visit', body: '', status: 200, shows: /visit 4 / },
    { name: 'saved before a redirect', target: '/s/saved', status: 302, shows: /Location: visit/ },
    { name: 'after the redirect', target: '/s/visit', status: 200, shows: /visit 11 / },
    { name: 'reloaded', target: '/s/reloaded', status: 200, shows: /reloaded 11/ },
    { name: 'streamed', target: '/s/streamed', status: 200, shows: /first, last/ },
    { name: 'after the stream', target: '/s/json', status: 200, shows: /\{"visits":20\}/ },
    { name: 'without a body', target: '/s/empty', status: 204 },
    { name: 'cacheable by the browser', target: '/s/cacheable', status: 200, shows: /visits 30/ },
    { name: 'cacheable, by another client', target: '/s/cacheable', fields: ['Cookie: theme=dark'], status: 200, shows: /visits undefined/ },
    { name: 'a condition', target: '/s/json', fields: ['If-None-Match: *'], status: 304 },
    { name: 'a forged cookie', target: '/s/visit', fields: ['Cookie: sid=s%3Asession-1.forged'], status: 200, shows: /Set-Cookie[^]*visit 1 / },
    { name: 'an unsigned cookie', target: '/s/visit', fields: ['Cookie: sid=session-1'], status: 200, shows: /Set-Cookie[^]*visit 1 / },
    { name: 'regenerated', target: '/s/regenerated', status: 200, shows: /now session-/ },
    { name: 'destroyed', target: '/s/destroyed', status: 200, shows: /destroyed/ },
    { name: 'after its end', target: '/s/json', status: 200, shows: /\{"visits":null\}/ },
    { name: 'another visit', target: '/s/visit', status: 200, shows: /Set-Cookie[^]*visit 1 / },
    { name: 'unset', target: '/s/unset', status: 200, shows: /unset/ },
    { name: 'after it was unset', target: '/s/json', status: 200, shows: /\{"visits":null\}/ },
    { name: 'a rolling session', target: '/rolling/visit', status: 200, shows: /Set-Cookie: rolling=[^]*Expires=later[^]*SameSite=Strict/ },
    { name: 'the cookie is renewed', target: '/rolling/json', status: 200, shows: /Set-Cookie: rolling=/ },
    { name: 'another lifetime', target: '/rolling/lifetime', status: 200, shows: /Set-Cookie: rolling=/ },
    { name: 'saved although it is empty', target: '/eager/untouched', status: 200, shows: /Set-Cookie: eager=/ },
    { name: 'saved again', target: '/eager/untouched', status: 200, shows: NO_COOKIE },
    { name: 'only over TLS', target: '/secure/visit', status: 200, shows: NO_COOKIE },
    { name: 'nothing there', target: '/s/nothing', status: 404, shows: /Cannot GET/ },
  ], // prettier-ignore
};
