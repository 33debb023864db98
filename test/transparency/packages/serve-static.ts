/** serve-static: files, indexes, redirects, ranges, conditions, and what falls through. */
import { join } from 'node:path';
import type { RequestHandler, Response } from 'express';
import { load, underExpress, type PackageSuite } from './suite.js';

const SITE = join(__dirname, 'site');
const FUTURE = 'Wed, 01 Jan 2031 00:00:00 GMT';

export const serveStatic: PackageSuite = {
  packages: ['serve-static'],
  builds: underExpress((app) => {
    const serve = load<(root: string, options?: object) => RequestHandler>('serve-static');
    const setHeaders = (res: Response): void => void res.setHeader('X-Static', '1');
    app.use('/plain', serve(SITE));
    app.use('/strict', serve(SITE, { fallthrough: false, dotfiles: 'deny' }));
    app.use('/long', serve(SITE, { maxAge: '1d', immutable: true, index: false, redirect: false, extensions: ['txt'], setHeaders })); // prettier-ignore
    app.use('/bare', serve(SITE, { etag: false, lastModified: false, acceptRanges: false, cacheControl: false }));
    app.use('/plain', (_req, res) => void res.status(404).send('fell through'));
  }),
  steps: [
    { name: 'an index', target: '/plain/', status: 200, shows: /<title>start/ },
    { name: 'a file', target: '/plain/notes.txt', status: 200, shows: /Cache-Control: public, max-age=0[^]*twenty characters/ },
    { name: 'HEAD', method: 'HEAD', target: '/plain/notes.txt', status: 200, shows: /Content-Length: 21/ },
    { name: 'a folder', target: '/plain/guide', status: 301, shows: /Location: \/plain\/guide\// },
    { name: 'the index of a folder', target: '/plain/guide/', status: 200, shows: /<title>guide/ },
    { name: 'a missing file', target: '/plain/missing', status: 404, shows: /fell through/ },
    { name: 'POST', method: 'POST', target: '/plain/notes.txt', status: 404, shows: /fell through/ },
    { name: 'a dotfile', target: '/plain/.secret', status: 404, shows: /fell through/ },
    { name: 'a path that leaves the root', target: '/plain/..%2fsuite.ts', status: 404, shows: /fell through/ },
    { name: 'a missing file, strict', target: '/strict/missing', status: 404, shows: /NotFound|Not Found/ },
    { name: 'POST, strict', method: 'POST', target: '/strict/notes.txt', status: 405, shows: /Allow: GET, HEAD/ },
    { name: 'a dotfile, strict', target: '/strict/.secret', status: 403, shows: /Forbidden/ },
    { name: 'a path that leaves the root, strict', target: '/strict/..%2fsuite.ts', status: 403, shows: /Forbidden/ },
    { name: 'an invalid escape, strict', target: '/strict/%', status: 400 },
    { name: 'a byte of zero, strict', target: '/strict/a%00b', status: 400 },
    { name: 'a lifetime', target: '/long/notes.txt', status: 200, shows: /Cache-Control: public, max-age=86400, immutable[^]*X-Static: 1|X-Static: 1[^]*immutable/ },
    { name: 'a lifetime, again', target: '/long/notes.txt', status: 200, shows: /twenty characters/ },
    { name: 'an extension', target: '/long/notes', status: 200, shows: /twenty characters/ },
    { name: 'no index', target: '/long/', status: 404 },
    { name: 'no redirect', target: '/long/guide', status: 404 },
    { name: 'no validators', target: '/bare/notes.txt', status: 200, shows: /^(?![^]*(ETag|Last-Modified|Accept-Ranges|Cache-Control))/ },
    { name: 'a range', target: '/plain/notes.txt', fields: ['Range: bytes=7-16'], status: 206, shows: /Content-Range: bytes 7-16\/21[^]*characters/ },
    { name: 'the last bytes', target: '/plain/notes.txt', fields: ['Range: bytes=-3'], status: 206, shows: /Content-Range: bytes 18-20\/21/ },
    // URLs of their own, because the cache answers ranges from a file that it has stored, as RFC 9110 §14.2 permits.
    { name: 'several ranges', target: '/plain/notes.txt?ranges', fields: ['Range: bytes=0-1,4-5'], status: 200, shows: /twenty characters/ },
    { name: 'a range past the end', target: '/plain/notes.txt?end', fields: ['Range: bytes=99-'], status: 416, shows: /Content-Range: bytes \*\/21/ },
    { name: 'a range that is refused', target: '/bare/notes.txt', fields: ['Range: bytes=0-1'], status: 200, shows: /twenty characters/ },
    { name: 'a range of a lifetime', target: '/long/notes.txt', fields: ['Range: bytes=0-5'], status: 206, shows: /twenty$/ },
    { name: 'If-Range of another tag', target: '/plain/notes.txt', fields: ['Range: bytes=0-5', 'If-Range: "x"'], status: 200, shows: /twenty characters/ },
    { name: 'If-None-Match', target: '/plain/notes.txt', fields: ['If-None-Match: *'], status: 304 },
    { name: 'If-None-Match of a lifetime', target: '/long/notes.txt', fields: ['If-None-Match: *'], status: 304 },
    { name: 'If-Modified-Since', target: '/plain/notes.txt', fields: [`If-Modified-Since: ${FUTURE}`], status: 304 },
    { name: 'If-Match of another tag', target: '/plain/notes.txt', fields: ['If-Match: "x"'], status: 412 },
    { name: 'If-Unmodified-Since long ago', target: '/plain/notes.txt', fields: ['If-Unmodified-Since: Wed, 01 Jan 2014 00:00:00 GMT'], status: 412 },
    { name: 'a query', target: '/plain/notes.txt?a=1', status: 200, shows: /twenty characters/ },
  ], // prettier-ignore
};
