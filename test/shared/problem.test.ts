import express from 'express';
import axios from 'axios';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { ERRORS, messageOf, ResilienceError, type ErrorCode } from '../../src/shared/errors.js';
import { errorCodeOf, problem, problemType, sendError, sendProblem } from '../../src/shared/problem.js';

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
    ['an error with a status it does not offer to show', Object.assign(new Error('password=hunter2'), { status: 404 })],
    ['a foreign 5xx', Object.assign(new Error('password=hunter2'), { status: 502, expose: true })],
  ])('%s is a 500 without a detail', async (_, error) => {
    const response = await request(answering(error)).get('/');
    expect([response.status, response.body.code]).toEqual([500, 'INTERNAL']);
    expect(response.text).not.toContain('hunter2');
  });

  test('what another service answered to us is not our answer', async () => {
    const upstream = http.createServer((_req, res) => res.writeHead(401).end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => upstream.once('listening', resolve));
    const { port } = upstream.address() as AddressInfo;
    const failed: unknown = await axios.get(`http://127.0.0.1:${port}/`).catch((error: unknown) => error);
    upstream.close();
    expect((failed as { status: unknown }).status).toBe(401);
    expect(errorCodeOf(failed)).toBe('INTERNAL');
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
