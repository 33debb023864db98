/** body-parser: types, limits, encodings, character sets, and the errors that it documents. */
import { gzipSync } from 'node:zlib';
import type { ErrorRequestHandler, RequestHandler } from 'express';
import { form, json, load, underExpress, utf8, type PackageSuite } from './suite.js';

interface BodyParser {
  json(options?: object): RequestHandler;
  urlencoded(options?: object): RequestHandler;
  text(options?: object): RequestHandler;
  raw(options?: object): RequestHandler;
}

const LIMIT = 100;

const echo: RequestHandler = (req, res) => {
  const body: unknown = req.body;
  res.json({ body: Buffer.isBuffer(body) ? `${body.length} bytes` : (body ?? null) });
};

const showError: ErrorRequestHandler = (error: { status: number; type: string }, _req, res, _next) => {
  res.status(error.status).json({ type: error.type });
};

function refuseLists(_req: unknown, _res: unknown, body: Buffer): void {
  if (body.toString().startsWith('[')) throw new Error('a list');
}

const gzip = (text: string): string => gzipSync(text).toString('latin1');
const encoded = (encoding: string, type: string): string[] => [
  `Content-Encoding: ${encoding}`,
  `Content-Type: ${type}`,
];

export const bodyParser: PackageSuite = {
  packages: ['body-parser'],
  builds: underExpress((app) => {
    const parser = load<BodyParser>('body-parser');
    app.use('/json', parser.json({ limit: LIMIT, verify: refuseLists }), echo);
    app.use('/any', parser.json({ strict: false, reviver: (key: string, value: unknown) => (key === 'secret' ? undefined : value) }), echo); // prettier-ignore
    app.use('/vendor', parser.json({ type: 'application/*+json' }), echo);
    app.use('/form', parser.urlencoded({ extended: true, parameterLimit: 3 }), echo);
    app.use('/flat', parser.urlencoded({ extended: false }), echo);
    app.use('/text', parser.text({ type: 'text/*' }), echo);
    app.use('/raw', parser.raw({ inflate: false }), echo);
    app.use('/two', parser.json(), parser.urlencoded({ extended: false }), echo);
    app.use(showError);
  }),
  steps: [
    { name: 'an object', method: 'POST', target: '/json', ...json({ a: 1 }), status: 200, shows: /\{"a":1\}/ },
    { name: 'no body', target: '/json', status: 200, shows: /"body":(null|\{\})/ },
    { name: 'an empty body', method: 'POST', target: '/json', ...json(1), body: '', status: 200, shows: /"body":\{\}/ },
    { name: 'another type', method: 'POST', target: '/json', ...form('a=1'), status: 200, shows: /"body":(null|\{\})/ },
    { name: 'broken', method: 'POST', target: '/json', ...json(1), body: '{"a":', status: 400, shows: /entity\.parse\.failed/ },
    { name: 'a primitive under strict', method: 'POST', target: '/json', ...json(1), status: 400, shows: /entity\.parse\.failed/ },
    { name: 'a primitive', method: 'POST', target: '/any', ...json(7), status: 200, shows: /"body":7/ },
    { name: 'the reviver', method: 'POST', target: '/any', ...json({ secret: 1, b: 2 }), status: 200, shows: /\{"body":\{"b":2\}\}/ },
    { name: 'above the limit', method: 'POST', target: '/json', ...json('x'.repeat(LIMIT)), status: 413, shows: /entity\.too\.large/ },
    { name: 'refused by verify', method: 'POST', target: '/json', ...json([1]), status: 403, shows: /entity\.verify\.failed/ },
    { name: 'in chunks', method: 'POST', target: '/json', fields: ['Content-Type: application/json', 'Transfer-Encoding: chunked'], body: '3\r\n{"a\r\n5\r\n":[2]\r\n1\r\n}\r\n0\r\n\r\n', status: 200, shows: /\{"a":\[2\]\}/ },
    { name: 'an unknown character set', method: 'POST', target: '/json', fields: ['Content-Type: application/json; charset=x'], body: '{}', status: 415, shows: /charset\.unsupported/ },
    { name: 'gzip', method: 'POST', target: '/json', fields: encoded('gzip', 'application/json'), body: gzip('{"z":1}'), status: 200, shows: /\{"z":1\}/ },
    { name: 'gzip that expands beyond the limit', method: 'POST', target: '/json', fields: encoded('gzip', 'application/json'), body: gzip(`{"z":"${'x'.repeat(1000)}"}`), status: 413, shows: /entity\.too\.large/ },
    { name: 'an unknown encoding', method: 'POST', target: '/json', fields: encoded('x', 'application/json'), body: '{}', status: 415, shows: /encoding\.unsupported/ },
    { name: 'not inflated', method: 'POST', target: '/raw', fields: encoded('gzip', 'application/octet-stream'), body: gzip('x'), status: 415, shows: /encoding\.unsupported/ },
    { name: 'raw bytes', method: 'POST', target: '/raw', fields: ['Content-Type: application/octet-stream'], body: '\x00\xff\x80', status: 200, shows: /3 bytes/ },
    { name: 'a type of a vendor', method: 'POST', target: '/vendor', fields: ['Content-Type: application/vnd.x+json'], body: '{"v":1}', status: 200, shows: /\{"v":1\}/ },
    { name: 'a nested form', method: 'POST', target: '/form', ...form('a[b]=1&a[c]=2'), status: 200, shows: /\{"a":\{"b":"1","c":"2"\}\}/ },
    { name: 'too many parameters', method: 'POST', target: '/form', ...form('a=1&b=2&c=3&d=4'), status: 413, shows: /parameters\.too\.many/ },
    { name: 'a flat form', method: 'POST', target: '/flat', ...form('a[b]=1&c=%C3%BC+x'), status: 200, shows: /"a\[b\]":"1"/ },
    { name: 'text', method: 'POST', target: '/text', fields: ['Content-Type: text/plain'], body: utf8('für'), status: 200, shows: /f\u00c3\u00bcr/ },
    { name: 'text in Latin-1', method: 'POST', target: '/text', fields: ['Content-Type: text/plain; charset=iso-8859-1'], body: 'f\u00fcr', status: 200, shows: /f\u00c3\u00bcr/ },
    { name: 'a form after JSON', method: 'POST', target: '/two', ...form('a=1'), status: 200, shows: /\{"a":"1"\}/ },
    { name: 'Expect: 100-continue', method: 'POST', target: '/json', ...json({}), fields: ['Content-Type: application/json', 'Expect: 100-continue'], status: 200 },
  ], // prettier-ignore
};
