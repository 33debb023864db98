/** compression: what it compresses, with which encoding, and what it leaves as it is. */
import { Readable } from 'node:stream';
import type { Request, RequestHandler, Response } from 'express';
import { load, underExpress, type PackageSuite } from './suite.js';

interface Compression {
  (options?: object): RequestHandler;
  filter(req: Request, res: Response): boolean;
}

const TEXT = 'A sentence that is repeated. '.repeat(50);
const accept = (encodings: string): string[] => [`Accept-Encoding: ${encodings}`];
const GZIP = accept('gzip');

export const compression: PackageSuite = {
  packages: ['compression'],
  builds: underExpress((app) => {
    const compress = load<Compression>('compression');
    const filter = (req: Request, res: Response): boolean => req.headers['x-plain'] === undefined && compress.filter(req, res); // prettier-ignore
    app.use(compress({ threshold: 200, filter }));
    app.get('/text', (_req, res) => void res.type('txt').send(TEXT));
    app.get('/short', (_req, res) => void res.type('txt').send('short'));
    app.get('/json', (_req, res) => void res.json({ text: TEXT }));
    app.get('/image', (_req, res) => void res.type('png').send(TEXT));
    app.get('/as-it-is', (_req, res) => void res.set('Cache-Control', 'no-transform').type('txt').send(TEXT));
    app.get('/encoded', (_req, res) => void res.set('Content-Encoding', 'x-own').type('txt').send(TEXT));
    app.get('/tagged', (_req, res) => void res.set('ETag', '"strong"').type('txt').send(TEXT));
    app.get('/cacheable', (_req, res) => void res.set('Cache-Control', 'max-age=60').type('txt').send(TEXT));
    app.get('/varies', (_req, res) => void res.vary('Accept').type('txt').send(TEXT));
    app.get('/pipe', (_req, res) => void Readable.from([TEXT, 'the end']).pipe(res.type('txt')));
    app.get('/flushed', (_req, res) => {
      res.type('txt').write(TEXT);
      (res as Response & { flush(): void }).flush();
      res.end('the end');
    });
    app.get('/empty', (_req, res) => void res.status(204).end());
  }),
  steps: [
    { name: 'gzip', target: '/text', fields: GZIP, status: 200, shows: /Content-Encoding: gzip/ },
    { name: 'deflate', target: '/text', fields: accept('deflate'), status: 200, shows: /Content-Encoding: deflate/ },
    { name: 'brotli', target: '/text', fields: accept('gzip, br'), status: 200, shows: /Content-Encoding: br/ },
    { name: 'weights', target: '/text', fields: accept('br;q=0.1, gzip;q=0.9'), status: 200, shows: /Content-Encoding: (br|gzip)/ },
    { name: 'refused', target: '/text', fields: accept('gzip;q=0'), status: 200, shows: /^(?![^]*Content-Encoding)/ },
    { name: 'identity', target: '/text', fields: accept('identity'), status: 200, shows: /Vary: Accept-Encoding[^]*repeated/ },
    { name: 'no encoding asked for', target: '/text', status: 200, shows: /Vary: Accept-Encoding[^]*repeated/ },
    { name: 'below the threshold', target: '/short', fields: GZIP, status: 200, shows: /Vary: Accept-Encoding[^]*short/ },
    { name: 'JSON', target: '/json', fields: GZIP, status: 200, shows: /Content-Encoding: gzip/ },
    { name: 'an image', target: '/image', fields: GZIP, status: 200, shows: /^(?![^]*Content-Encoding)/ },
    { name: 'no-transform', target: '/as-it-is', fields: GZIP, status: 200, shows: /^(?![^]*Content-Encoding)/ },
    { name: 'encoded already', target: '/encoded', fields: GZIP, status: 200, shows: /Content-Encoding: x-own/ },
    { name: 'the filter', target: '/text', fields: [...GZIP, 'X-Plain: 1'], status: 200, shows: /^(?![^]*Content-Encoding)/ },
    { name: 'HEAD', method: 'HEAD', target: '/text', fields: GZIP, status: 200, shows: /^(?![^]*Content-Encoding)/ },
    { name: 'a stream', target: '/pipe', fields: GZIP, status: 200, shows: /Content-Encoding: gzip/ },
    { name: 'flushed', target: '/flushed', fields: GZIP, status: 200, shows: /Content-Encoding: gzip/ },
    { name: 'another field of Vary', target: '/varies', fields: GZIP, status: 200, shows: /Vary: Accept, Accept-Encoding/ },
    { name: 'a strong tag', target: '/tagged', fields: [...GZIP, 'If-None-Match: "strong"'], status: 304 },
    { name: 'no body', target: '/empty', fields: GZIP, status: 204 },
    { name: 'cacheable', target: '/cacheable', fields: GZIP, status: 200, shows: /Content-Encoding: gzip/ },
    { name: 'cacheable, in another encoding', target: '/cacheable', fields: accept('deflate'), status: 200, shows: /Content-Encoding: deflate/ },
    { name: 'cacheable, again', target: '/cacheable', fields: GZIP, status: 200, shows: /Content-Encoding: gzip/ },
    { name: 'cacheable, plain', target: '/cacheable', status: 200, shows: /repeated/ },
    { name: 'nothing there', target: '/nothing', fields: GZIP, status: 404, shows: /Cannot GET/ },
  ], // prettier-ignore
};
