/** The ways Node's own response can be used: heads, bodies, streams, trailers, informational responses. */
import type { Request } from 'express';
import { PassThrough, pipeline, Readable, Transform } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import { each, scenarios, type Answer, type Scenario } from './scenario.js';

const STATUSES = [200, 201, 202, 203, 204, 205, 206, 226, 301, 304, 307, 400, 401, 404, 409, 410, 418, 429, 451, 500, 501, 503, 599]; // prettier-ignore
const BIG = Buffer.alloc(300_000, 'abcdefghij');
const TEXT = 'The quick brown fox jumps over the lazy dog.';

const statuses: Readonly<Record<string, Answer>> = {
  ...each(STATUSES, (status) => `statusCode ${status}`, (status) => (_req, res) => {
    res.statusCode = status;
    res.end(TEXT);
  }), // prettier-ignore
  ...each(STATUSES, (status) => `writeHead ${status}, no body`, (status) => (_req, res) => void res.writeHead(status).end()), // prettier-ignore
};

const heads: Readonly<Record<string, Answer>> = {
  'a reason phrase': (_req, res) => void res.writeHead(200, 'All Good').end(TEXT),
  'an empty reason phrase': (_req, res) => void res.writeHead(200, '').end(TEXT),
  'statusMessage set before': (_req, res) => {
    res.statusMessage = 'Mine';
    res.end(TEXT);
  },
  'an object': (_req, res) => void res.writeHead(200, { 'X-One': '1', 'content-type': 'text/plain' }).end(TEXT),
  'an object over set fields': (_req, res) => {
    res.setHeader('X-One', 'set');
    res.setHeader('X-Two', 'kept');
    res.writeHead(200, { 'x-one': 'written' }).end(TEXT);
  },
  'a flat list': (_req, res) => void res.writeHead(200, ['X-One', '1', 'X-Two', '2']).end(TEXT),
  'a flat list with duplicates': (_req, res) => void res.writeHead(200, ['X-One', '1', 'X-One', '2', 'x-one', '3']).end(TEXT), // prettier-ignore
  'a flat list over set fields': (_req, res) => {
    res.setHeader('X-One', 'set');
    res.writeHead(200, ['X-One', '1', 'X-One', '2']).end(TEXT);
  },
  'lists as values': (_req, res) => void res.writeHead(200, { 'Set-Cookie': ['a=1', 'b=2'], 'X-L': ['1', '2'] }).end(),
  'numbers as values': (_req, res) => void res.writeHead(200, { 'Content-Length': TEXT.length, 'X-N': 0 }).end(TEXT),
  'Content-Length of its own': (_req, res) => {
    res.setHeader('Content-Length', String(TEXT.length));
    res.end(TEXT);
  },
  'Connection: close of its own': (_req, res) => void res.setHeader('Connection', 'close').end(TEXT),
  'Transfer-Encoding of its own': (_req, res) => void res.setHeader('Transfer-Encoding', 'chunked').end(TEXT),
  'a Date of its own': (_req, res) => void res.setHeader('Date', 'Thu, 01 Jan 1970 00:00:00 GMT').end(TEXT),
  'no Date': (_req, res) => {
    res.sendDate = false;
    res.end(TEXT);
  },
  'flushHeaders, then a body': (_req, res) => {
    res.setHeader('X-Early', '1');
    res.flushHeaders();
    setImmediate(() => res.end(TEXT));
  },
  appendHeader: (_req, res) => {
    res.appendHeader('X-Many', '1');
    res.appendHeader('X-Many', ['2', '3']);
    res.end(TEXT);
  },
  'setHeaders of a Map': (_req, res) => void res.setHeaders(new Map([['X-Map', '1']])).end(TEXT),
  removeHeader: (_req, res) => {
    res.setHeader('X-Gone', '1');
    res.removeHeader('x-gone');
    res.removeHeader('x-powered-by');
    res.end(TEXT);
  },
  'latin1 in a field': (_req, res) => void res.setHeader('X-Latin', 'caf\u00e9').end(TEXT),
  'an empty field': (_req, res) => void res.setHeader('X-Empty', '').end(TEXT),
  'getHeaders in the body': (_req, res) => {
    res.setHeader('X-A', '1');
    res.end(JSON.stringify([res.getHeader('x-a'), res.hasHeader('X-A'), res.headersSent]));
  },
};

const bodies: Readonly<Record<string, Answer>> = {
  nothing: (_req, res) => void res.end(),
  'an empty string': (_req, res) => void res.end(''),
  'a buffer': (_req, res) => void res.end(Buffer.from(TEXT)),
  'a Uint8Array': (_req, res) => void res.end(new Uint8Array([1, 2, 3])),
  'an encoding': (_req, res) => void res.end('68656c6c6f', 'hex'),
  'one write': (_req, res) => {
    res.write(TEXT);
    res.end();
  },
  'writes of several kinds': (_req, res) => {
    res.write('a');
    res.write(Buffer.from('b'));
    res.write('63', 'hex');
    res.end('d');
  },
  'an empty write': (_req, res) => {
    res.write('');
    res.end(TEXT);
  },
  'a write over ticks': (_req, res) => {
    res.write('first');
    setImmediate(() => {
      res.write('second');
      setImmediate(() => res.end('third'));
    });
  },
  '300 kB at once': (_req, res) => void res.end(BIG),
  '300 kB with drain': (_req, res) => {
    let left = 10;
    const more = (): void => {
      while (left > 0) if (left-- === 1 ? res.end(BIG) : !res.write(BIG.subarray(0, 30_000))) break;
      if (left > 0) res.once('drain', more);
    };
    more();
  },
  'cork and uncork': (_req, res) => {
    res.cork();
    res.write('one');
    res.write('two');
    res.uncork();
    res.end('three');
  },
  callbacks: (_req, res) => void res.write('one', () => res.end('two', () => undefined)),
  'end, then the callback writes nothing': (_req, res) => void res.end(TEXT, 'utf8', () => res.emit('custom')),
  'what write returns': (_req, res) => void res.end(`${typeof res.write('x')}`),
};

const streams: Readonly<Record<string, Answer>> = {
  pipe: (_req, res) => void Readable.from(['one', 'two', 'three']).pipe(res),
  pipeline: (_req, res) => void pipeline(Readable.from([TEXT, TEXT]), res, () => undefined),
  'a transform': (_req, res) => {
    const shout = new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) });
    Readable.from(['quiet ', 'words']).pipe(shout).pipe(res);
  },
  gzip: (_req, res) => {
    res.setHeader('Content-Encoding', 'gzip');
    Readable.from([TEXT]).pipe(createGzip()).pipe(res);
  },
  'gzip as one body': (_req, res) => void res.setHeader('Content-Encoding', 'gzip').end(gzipSync(TEXT)),
  'a PassThrough written later': (_req, res) => {
    const through = new PassThrough();
    through.pipe(res);
    setImmediate(() => through.end(TEXT));
  },
  events: (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    res.write('data: 1\n\n');
    setImmediate(() => res.end('data: 2\n\n'));
  },
  'a large pipe': (_req, res) => void Readable.from([BIG, BIG]).pipe(res),
};

const informational: Readonly<Record<string, Answer>> = {
  'early hints': (_req, res) => {
    res.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' });
    res.end(TEXT);
  },
  'several early hints': (_req, res) => {
    res.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'], 'x-trace': '1' });
    res.writeEarlyHints({ link: '</c.css>; rel=preload' });
    res.end(TEXT);
  },
  processing: (_req, res) => {
    res.writeProcessing();
    res.end(TEXT);
  },
};

// Only where there can be any: elsewhere Node throws after the response has begun, and Express once more in answering that.
const canTrail = ({ method, httpVersion }: Request): boolean => method !== 'HEAD' && httpVersion === '1.1';

const trailers: Readonly<Record<string, Answer>> = {
  announced: (req, res) => {
    res.writeHead(200, canTrail(req) ? { Trailer: 'X-Sum' } : {});
    res.write(TEXT);
    if (canTrail(req)) res.addTrailers({ 'X-Sum': '44' });
    res.end();
  },
  'not announced': (req, res) => {
    res.write(TEXT);
    if (canTrail(req)) res.addTrailers([['X-Sum', '44']]);
    res.end();
  },
  'without a body': (req, res) => {
    if (canTrail(req)) res.setHeader('Transfer-Encoding', 'chunked').addTrailers({ 'X-Sum': '0' });
    res.end();
  },
};

const requestBodies: Readonly<Record<string, Answer>> = {
  'read by events': (req, res) => {
    let size = 0;
    req.on('data', (chunk: Buffer) => (size += chunk.length));
    req.on('end', () => res.end(`read ${size}`));
  },
  'read by iteration': async (req, res) => {
    let text = '';
    for await (const chunk of req) text += String(chunk);
    res.end(`read ${text}`);
  },
  'piped back': (req, res) => void req.pipe(res),
  'resumed and left': (req, res) => void req.resume().on('end', () => res.end('drained')),
  'answered before it is read': (req, res) => {
    res.end('early');
    req.resume();
  },
  'trailers of the request': (req, res) => void req.resume().on('end', () => res.end(JSON.stringify(req.trailers))),
};

/** Everything that needs no Express. */
export const NODE_SCENARIOS: readonly Scenario[] = [
  ...scenarios('status', statuses),
  ...scenarios('head', heads),
  ...scenarios('body', bodies),
  ...scenarios('stream', streams),
  ...scenarios('1xx', informational),
  ...scenarios('trailers', trailers),
  ...scenarios('request body', requestBodies),
];
