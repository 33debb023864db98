/** Fastify, with the kit mounted through @fastify/middie. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Part } from '../variants.js';
import { json, load, multipart, type PackageSuite } from './suite.js';

interface Reply {
  raw: ServerResponse;
  code(status: number): Reply;
  header(name: string, value: string): Reply;
  type(value: string): Reply;
  redirect(url: string, status?: number): Reply;
  send(payload?: unknown): Reply;
  hijack(): Reply;
  trailer(name: string, make: (reply: Reply, payload: unknown, done: (error: null, value: string) => void) => void): Reply;
  writeEarlyHints(hints: object): void;
} // prettier-ignore

interface Query {
  readonly params: Record<string, string>;
  readonly query: object;
  readonly body: unknown;
  readonly raw: IncomingMessage;
}

type Handle = (request: Query, reply: Reply) => unknown;

interface Fastify {
  register(plugin: unknown, options?: object): Promise<void>;
  use(part: Part): void;
  get(path: string, ...handlers: ReadonlyArray<object | Handle>): Fastify;
  post(path: string, ...handlers: ReadonlyArray<object | Handle>): Fastify;
  route(options: object): Fastify;
  addHook(name: string, hook: (...args: never[]) => unknown): Fastify;
  addContentTypeParser(type: string, options: object, parse: (...args: never[]) => unknown): Fastify;
  setErrorHandler(handle: (error: Error, request: Query, reply: Reply) => unknown): Fastify;
  ready(): Promise<void>;
  routing(req: IncomingMessage, res: ServerResponse): void;
}

const schema = {
  body: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, age: { type: 'integer' } } },
};
const response = { 200: { type: 'object', properties: { shown: { type: 'string' } } } };

function replies(app: Fastify): void {
  app.get('/json', () => ({ a: 1, b: 'ü' }));
  app.get('/text', (_request, reply) => reply.send('text'));
  app.get('/items/:id', ({ params, query }) => ({ params, query }));
  app.get('/files/*', ({ params }) => params);
  app.get('/teapot', (_request, reply) => reply.code(418).header('X-Tea', 'green').send({ tea: true }));
  app.get('/empty', (_request, reply) => reply.code(204).send());
  app.get('/redirect', (_request, reply) => reply.redirect('/elsewhere', 303));
  app.get('/buffer', (_request, reply) => reply.type('image/png').send(Buffer.from('bytes')));
  app.get('/stream', (_request, reply) => reply.type('text/plain').send(Readable.from(['a', 'b', 'c'])));
  app.get('/web', () => new Response('of the web', { status: 202, headers: { 'x-web': '1' } }));
  app.get('/cached', (_request, reply) => reply.header('Cache-Control', 'max-age=60').send({ cached: true }));
  app.get('/schema', { schema: { response } }, () => ({ shown: 'yes', hidden: 'no' }));
  app.get('/hints', (_request, reply) => {
    reply.writeEarlyHints({ link: '</style.css>; rel=preload' });
    return reply.send('hinted');
  });
  app.get('/trailer', (_request, reply) =>
    reply.trailer('x-sum', (_reply, _payload, done) => done(null, '7')).send('with a trailer'),
  );
  app.get('/hijacked', (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { 'X-Raw': '1' });
    reply.raw.end('raw');
  });
}

function failures(app: Fastify): void {
  const failure = (statusCode?: number): Error => Object.assign(new Error('failed'), { statusCode });
  app.get('/fails', async () => {
    throw failure();
  });
  app.get('/conflict', async () => {
    throw failure(409);
  });
  app.get('/broken-stream', (_request, reply) =>
    reply.send(
      new Readable({
        read() {
          this.destroy(failure());
        },
      }),
    ),
  );
  app.post('/person', { schema }, ({ body }) => ({ body }));
  app.post('/small', { bodyLimit: 10 }, ({ body }) => ({ body }));
}

/** Routes with hooks, a parser and an error handler of their own. */
async function encapsulated(app: Fastify): Promise<void> {
  app.addHook('onRequest', async (_request: Query, reply: Reply) => void reply.header('X-Hook', '1'));
  app.addHook('onSend', async (_request: Query, _reply: Reply, payload: unknown) =>
    typeof payload === 'string' ? payload.toUpperCase() : payload,
  );
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, async (_request: Query, body: string) => body.split(','));
  app.setErrorHandler((error, _request, reply) => reply.code(422).send({ handled: error.message }));
  app.get('/hooked', () => 'hooked');
  app.get('/fails', async () => {
    throw new Error('inside');
  });
  app.post('/csv', ({ body }) => ({ body }));
}

async function build(parts: readonly Part[]): Promise<RequestListener> {
  const app = load<(options?: object) => Fastify>('fastify')();
  await app.register(load('@fastify/middie'));
  for (const part of parts) app.use(part);
  replies(app);
  failures(app);
  await app.register(encapsulated, { prefix: '/inside' });
  await app.ready();
  return (req, res) => app.routing(req, res);
}

const post = { method: 'POST' } as const;

export const fastify: PackageSuite = {
  packages: ['fastify', '@fastify/middie'],
  builds: { 'Fastify 5': build },
  steps: [
    { name: 'JSON', target: '/json', status: 200, shows: /content-type: application\/json; charset=utf-8[^]*"a":1/ },
    { name: 'text', target: '/text', status: 200, shows: /content-type: text\/plain; charset=utf-8[^]*text/ },
    { name: 'HEAD of a GET', method: 'HEAD', target: '/json', status: 200, shows: /content-length: / },
    { name: 'parameters and a query', target: '/items/7?a=1&a=2', status: 200, shows: /\{"params":\{"id":"7"\},"query":\{"a":\["1","2"\]\}\}/ },
    { name: 'a wildcard', target: '/files/a/b', status: 200, shows: /\{"\*":"a\/b"\}/ },
    { name: 'a status and a field', target: '/teapot', status: 418, shows: /x-tea: green/ },
    { name: 'no body', target: '/empty', status: 204 },
    { name: 'a redirect', target: '/redirect', status: 303, shows: /location: \/elsewhere/ },
    { name: 'bytes', target: '/buffer', status: 200, shows: /image\/png[^]*bytes/ },
    { name: 'a stream', target: '/stream', status: 200, shows: /abc/ },
    { name: 'a response of the web', target: '/web', status: 202, shows: /x-web: 1[^]*of the web/ },
    { name: 'cacheable', target: '/cached', status: 200, shows: /"cached":true/ },
    { name: 'cacheable, again', target: '/cached', status: 200, shows: /"cached":true/ },
    { name: 'a schema of the response', target: '/schema', status: 200, shows: /\n\{"shown":"yes"\}$/ },
    { name: 'early hints', target: '/hints', status: 200, shows: /hinted/ },
    { name: 'a trailer', target: '/trailer', status: 200, shows: /trailer: x-sum[^]*with a trailer/ },
    { name: 'hijacked', target: '/hijacked', status: 200, shows: /X-Raw: 1[^]*raw/ },
    { name: 'an error', target: '/fails', status: 500, shows: /"error":"Internal Server Error","message":"failed"/ },
    { name: 'an error with a status', target: '/conflict', status: 409, shows: /"error":"Conflict"/ },
    { name: 'a stream that fails', target: '/broken-stream', status: 500 },
    { name: 'nothing there', target: '/nothing', status: 404, shows: /Route GET:\/nothing not found/ },
    { name: 'a body', ...post, target: '/person', ...json({ name: 'ann', age: '7' }), status: 200, shows: /"age":7/ },
    { name: 'a body against the schema', ...post, target: '/person', ...json({}), status: 400, shows: /FST_ERR_VALIDATION/ },
    { name: 'broken JSON', ...post, target: '/person', ...json({}), body: '{', status: 400 },
    { name: 'an empty body', ...post, target: '/person', ...json({}), body: '', status: 400, shows: /FST_ERR_CTP_EMPTY_JSON_BODY/ },
    { name: 'a body above the limit', ...post, target: '/small', ...json('x'.repeat(20)), status: 413, shows: /FST_ERR_CTP_BODY_TOO_LARGE/ },
    { name: 'an unsupported type', ...post, target: '/person', ...multipart(), status: 415, shows: /FST_ERR_CTP_INVALID_MEDIA_TYPE/ },
    { name: 'hooks', target: '/inside/hooked', status: 200, shows: /x-hook: 1[^]*HOOKED/ },
    { name: 'an error handler of its own', target: '/inside/fails', status: 422, shows: /"HANDLED":"INSIDE"/ },
    { name: 'a parser of its own', ...post, target: '/inside/csv', fields: ['Content-Type: text/csv'], body: 'a,b', status: 200, shows: /\["A","B"\]/ },
  ], // prettier-ignore
};
