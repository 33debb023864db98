import express from 'express';
import axios from 'axios';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { ERRORS, messageOf, ResilienceError, type ErrorCode } from '../../src/shared/errors.js';
import { errorStatus, problem, problemType, sendError, sendProblem } from '../../src/shared/problem.js';

const answering = (error: unknown) => http.createServer((req, res) => sendError(req, res, error));

describe('problem', () => {
  test('carries type, title, status and code; the registered members win over extensions', () => {
    expect(problem('QUEUE_FULL', 'ten are waiting', { queued: 10, status: 200, ok: true })).toEqual({
      type: 'https://tooloo.ai/problems/queue-full',
      title: ERRORS.QUEUE_FULL.title,
      status: 503,
      detail: 'ten are waiting',
      code: 'QUEUE_FULL',
      ok: false,
      queued: 10,
    });
  });

  test('every code has its own type, the quota its registered one', () => {
    const codes = Object.keys(ERRORS) as ErrorCode[];
    expect(new Set(codes.map(problemType)).size).toBe(codes.length);
    expect(problemType('QUOTA_EXCEEDED')).toBe('https://iana.org/assignments/http-problem-types#quota-exceeded');
  });
});

describe('sendError', () => {
  test('answers with status, header fields, extensions and a whole Retry-After rounded up', async () => {
    const error = new ResilienceError('STORE_UNAVAILABLE', 'redis is away', {
      extensions: { store: 'redis' },
      headers: { 'X-Reason': 'store' },
      retryAfter: 0.2,
    });
    const response = await request(answering(error)).get('/');
    expect(response.status).toBe(503);
    expect(response.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-reason': 'store',
      'retry-after': '1',
    });
    expect(response.body).toMatchObject({ code: 'STORE_UNAVAILABLE', store: 'redis', detail: 'redis is away' });
  });

  test.each([
    ['a plain error', new Error('password=hunter2')],
    ['an internal error of the kit', new ResilienceError('INTERNAL', 'password=hunter2')],
    ['what is no error', 'password=hunter2'],
    ['nothing', undefined],
    ['an error whose status is not a number', Object.assign(new Error('password=hunter2'), { status: '404' })],
    ['an error with a status of success', Object.assign(new Error('password=hunter2'), { statusCode: 204 })],
    ['an error with half a status', Object.assign(new Error('password=hunter2'), { status: 404.5 })],
  ])('%s is a 500 without a detail', async (_, error) => {
    const response = await request(answering(error)).get('/');
    expect([response.status, response.body.code]).toEqual([500, 'INTERNAL']);
    expect(response.text).not.toContain('hunter2');
  });

  const statuses = Array.from({ length: 200 }, (_, i) => 400 + i);

  test('a foreign error keeps any status of 400 to 599, by either name, and its message only where it is exposed', async () => {
    let current: unknown;
    const server = http.createServer((req, res) => sendError(req, res, current));
    for (const status of statuses) {
      for (const name of ['status', 'statusCode']) {
        current = Object.assign(new Error('hunter2'), { [name]: status, expose: name === 'status' });
        const response = await request(server).get('/');
        expect([response.status, response.body.status]).toEqual([status, status]);
        expect(response.text.includes('hunter2')).toBe(name === 'status');
        expect(response.body.code).toMatch(/^[A-Z]+[A-Z_0-9]*$/);
      }
    }
  });

  test('a status without a code of its own is named by its reason phrase (RFC 9457 §4.2.1)', async () => {
    const response = await request(answering(Object.assign(new Error('x'), { status: 403 }))).get('/');
    expect(response.body).toEqual({
      type: 'about:blank',
      title: 'Forbidden',
      status: 403,
      code: 'FORBIDDEN',
      ok: false,
    });
  });

  test('its header fields come along, except those about the body and the connection, and those HTTP forbids', async () => {
    const headers = {
      'WWW-Authenticate': ['Basic', 'Bearer'],
      'Retry-After': 7,
      'Content-Range': 'bytes */10',
      'Content-Length': '3',
      'Transfer-Encoding': 'chunked',
      'Content-Type': 'text/html',
      'Bad Name': 'x',
      'X-Bad-Value': 'a\r\nSet-Cookie: stolen=1',
      'X-Nothing': undefined,
    };
    const response = await request(answering(Object.assign(new Error('x'), { status: 416, headers }))).get('/');
    expect(response.status).toBe(416);
    expect(response.headers).toMatchObject({
      'www-authenticate': 'Basic, Bearer',
      'retry-after': '7',
      'content-range': 'bytes */10',
      'content-type': 'application/problem+json',
    });
    for (const name of ['transfer-encoding', 'x-bad-value', 'x-nothing', 'set-cookie']) {
      expect(response.headers).not.toHaveProperty(name);
    }
    expect(Number(response.headers['content-length'])).toBe(Buffer.byteLength(response.text));
  });

  test('an error without a status gets the one the response has, as in Express', async () => {
    const server = http.createServer((req, res) => {
      res.statusCode = Number(req.url?.slice(1));
      res.statusMessage = 'Of the handler';
      sendError(req, res, new Error('hunter2'));
    });
    for (const [set, answered] of [
      [403, 403],
      [503, 503],
      [200, 500],
      [302, 500],
      [600, 500],
    ] as const) {
      // prettier-ignore
      expect((await request(server).get(`/${set}`)).status).toBe(answered);
    }
  });

  test('what no function can print is answered too', async () => {
    for (const odd of [
      Object.create(null) as unknown,
      Symbol('x'),
      Object.assign(new Error('x'), { message: 5 }),
      0n,
    ]) {
      expect((await request(answering(odd)).get('/')).status).toBe(500);
    }
  });

  test('what another service answered to us is not our answer', async () => {
    const upstream = http.createServer((_req, res) => res.writeHead(401).end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => upstream.once('listening', resolve));
    const { port } = upstream.address() as AddressInfo;
    const failed: unknown = await axios.get(`http://127.0.0.1:${port}/`).catch((error: unknown) => error);
    const { errors } = await import('undici');
    upstream.close();
    expect((failed as { status: unknown }).status).toBe(401);
    const undici = Object.assign(new errors.ResponseError('no', 404, { headers: {}, body: null }), { expose: true });
    for (const error of [failed, undici]) {
      const response = await request(answering(error)).get('/');
      expect([response.status, response.body.detail]).toEqual([500, undefined]);
      expect(errorStatus(error, new http.ServerResponse(new http.IncomingMessage(null as never)))).toBe(500);
    }
  });

  test('errors of body parsers and routers keep their 4xx', async () => {
    const app = express();
    app.use(express.json({ limit: 10 }));
    app.get('/:id', (_req, res) => void res.end('ok'));
    const asProblem: express.ErrorRequestHandler = (error, req, res, _next) => sendError(req, res, error);
    app.use(asProblem);
    const big = await request(app).post('/').send({ much: 'more than ten bytes' });
    expect([big.status, big.body.code]).toEqual([413, 'BODY_TOO_LARGE']);
    const malformed = await request(app).post('/').type('json').send('{oops');
    expect([malformed.status, malformed.body.code]).toEqual([400, 'BAD_REQUEST']);
    const undecodable = await request(app).get('/%zz');
    expect([undecodable.status, undecodable.body.code]).toEqual([400, 'BAD_REQUEST']);
  });

  test('HEAD gets the header fields only', async () => {
    const response = await request(answering(new ResilienceError('NOT_FOUND', 'no such thing'))).head('/');
    expect(response.status).toBe(404);
    expect(Number(response.headers['content-length'])).toBeGreaterThan(0);
  });
});

describe('sendProblem', () => {
  test('drops what the failed handler said of another body', async () => {
    const server = http.createServer((req, res) => {
      res.setHeader('Content-Encoding', 'gzip').setHeader('ETag', '"x"').setHeader('Content-Length', 5);
      sendProblem(req, res, problem('INTERNAL'));
    });
    const response = await request(server).get('/');
    expect(response.status).toBe(500);
    expect(response.headers).not.toHaveProperty('content-encoding');
    expect(response.headers).not.toHaveProperty('etag');
    expect(response.body.code).toBe('INTERNAL');
  });

  test('a complete response is left to reach its client', async () => {
    const body = Buffer.alloc(5_000_000, 'x');
    const server = http.createServer((req, res) => {
      res.end(body);
      sendProblem(req, res, problem('INTERNAL'));
    });
    const response = await request(server).get('/').buffer(true);
    expect(response.status).toBe(200);
    expect(Number(response.headers['content-length'])).toBe(body.length);
  });

  test('a begun response is cut off', async () => {
    const server = http.createServer((req, res) => {
      res.write('half');
      sendProblem(req, res, problem('INTERNAL'));
    });
    await expect(request(server).get('/')).rejects.toThrow(/aborted|hang up|reset/);
  });
});

describe('ResilienceError', () => {
  test('has its own name, code, status, title and keeps its cause', () => {
    const cause = new Error('ECONNREFUSED');
    const error = new ResilienceError('UPSTREAM_REFUSED', 'reports:3008 refused', { cause });
    expect(error).toMatchObject({ name: 'ResilienceError', code: 'UPSTREAM_REFUSED', status: 502, cause });
    expect(error).toBeInstanceOf(Error);
    expect('cause' in new ResilienceError('INTERNAL', 'x')).toBe(false);
  });

  test('is recognised across copies of the package, and nothing else is', () => {
    const fromOtherBuild = Object.assign(new Error('x'), { code: 'CIRCUIT_OPEN', extensions: {} });
    expect(ResilienceError.is(fromOtherBuild)).toBe(true);
    expect(ResilienceError.is(Object.assign(new Error('x'), { code: 'ENOENT', extensions: {} }))).toBe(false);
    expect(ResilienceError.is({ code: 'CIRCUIT_OPEN', extensions: {} })).toBe(false);
    expect(ResilienceError.is(undefined)).toBe(false);
  });

  test('messageOf shows anything thrown', () => {
    expect([messageOf(new Error('a')), messageOf('b'), messageOf(undefined)]).toEqual(['a', 'b', 'undefined']);
  });
});
