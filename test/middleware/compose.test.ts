import express from 'express';
import express4 from 'express4';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import request from 'supertest';
import { compose, type Handler } from '../../src/middleware/compose.js';
import { ResilienceError } from '../../src/shared/errors.js';

const answer =
  (text: string): Handler =>
  (_req, res) =>
    res.end(text);
const pass: Handler = (_req, _res, next) => next();
const get = (...handlers: readonly Handler[]) => request(http.createServer(compose(...handlers))).get('/x?y=1');

let warn: jest.SpyInstance;
beforeEach(() => {
  warn = jest.spyOn(process, 'emitWarning').mockImplementation();
});
afterEach(() => warn.mockRestore());

describe('the chain', () => {
  test('runs in order until a handler answers', async () => {
    const order: number[] = [];
    const note =
      (n: number): Handler =>
      (_req, _res, next) => {
        order.push(n);
        next();
      };
    const response = await get(note(1), note(2), answer('here'), note(3));
    expect(response.text).toBe('here');
    expect(order).toEqual([1, 2]);
  });

  test('a handler that calls next twice runs the rest once', async () => {
    const rest = jest.fn((_req: IncomingMessage, res: ServerResponse) => void res.end('once'));
    const twice: Handler = (_req, _res, next) => {
      next();
      next();
    };
    expect((await get(twice, rest)).text).toBe('once');
    expect(rest).toHaveBeenCalledTimes(1);
  });

  test('a handler that answered and calls next does no harm', async () => {
    const response = await get((_req, res, next) => {
      res.end('done');
      next();
    });
    expect([response.status, response.text]).toEqual([200, 'done']);
  });

  test('only functions are handlers', () => {
    expect(() => compose({} as never, pass)).toThrow('compose: expected handler 1 to be a function, got object');
  });
});

describe('what nobody answers', () => {
  test('is 404 problem+json', async () => {
    const response = await get(pass);
    expect(response.status).toBe(404);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.body).toMatchObject({ ok: false, code: 'NOT_FOUND', status: 404 });
  });

  test('HEAD gets the same header fields and no body', async () => {
    const response = await request(http.createServer(compose())).head('/x');
    expect(response.status).toBe(404);
    expect(Number(response.headers['content-length'])).toBeGreaterThan(0);
    expect(response.text ?? '').toBe('');
  });
});

describe('errors', () => {
  const secret = new Error('the database password is hunter2');
  const failing: Array<[string, Handler]> = [
    ['thrown', () => { throw secret; }], // prettier-ignore
    ['rejected', () => Promise.reject(secret)],
    ['passed to next', (_req, _res, next) => next(secret)],
  ];

  test.each(failing)('%s: 500 that tells the client nothing and the operator all', async (_, handler) => {
    const response = await get(handler, answer('not reached'));
    expect(response.status).toBe(500);
    expect(response.body).toMatchObject({ code: 'INTERNAL', ok: false });
    expect(response.text).not.toContain('hunter2');
    expect(warn).toHaveBeenCalledWith(
      expect.stringContaining('hunter2'),
      expect.objectContaining({ code: 'TOOLOO_REQUEST_FAILED' }),
    );
  });

  test('an error of the kit keeps its status and is not reported', async () => {
    const response = await get(() => {
      throw new ResilienceError('QUEUE_FULL', 'no room', { retryAfter: 1.2 });
    });
    expect(response.status).toBe(503);
    expect(response.headers['retry-after']).toBe('2');
    expect(response.body).toMatchObject({ code: 'QUEUE_FULL', detail: 'no room' });
    expect(warn).not.toHaveBeenCalled();
  });

  test('rejecting with nothing at all is an error too', async () => {
    const nothing: unknown = undefined;
    expect((await get(() => Promise.reject(nothing as Error), answer('not reached'))).status).toBe(500);
  });

  test('once the response has begun, it is cut off and not ended cleanly', async () => {
    const half: Handler = (_req, res, next) => {
      res.writeHead(200, { 'Content-Length': 100 });
      res.write('half');
      next(new Error('lost the rest'));
    };
    await expect(get(half)).rejects.toThrow(/aborted|hang up|reset/);
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('lost the rest'), expect.anything());
  });

  test('a failure after a complete answer is reported and does not touch it', async () => {
    const late: Handler = async (_req, res) => {
      res.end('whole');
      throw new Error('afterwards');
    };
    const response = await get(late);
    expect([response.status, response.text]).toEqual([200, 'whole']);
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('afterwards'), expect.anything());
  });
});

describe('as in Express', () => {
  test.each([undefined, null, false, 0, '', 'route'])('next(%p) continues', async (value) => {
    const response = await get((_req, _res, next) => next(value), answer('continued'));
    expect(response.text).toBe('continued');
  });

  test("next('router') skips the rest", async () => {
    expect((await get((_req, _res, next) => next('router'), answer('not reached'))).status).toBe(404);
  });

  test('an error handler in the chain is refused, since it would never be called as one', () => {
    const handler = (_error: unknown, _req: unknown, _res: unknown, _next: unknown): void => {};
    expect(() => compose(pass, handler as unknown as Handler)).toThrow(
      'compose: expected handler 2 to be a function (req, res, next), got one of four parameters: error handlers belong in the application',
    );
  });

  test('called with next, it passes on unanswered requests and errors', () => {
    const passedOn: unknown[] = [];
    const ask = (handler: Handler): void => {
      const [req, res] = [{}, {}] as [IncomingMessage, ServerResponse];
      compose(handler)(req, res, (error?: unknown) => passedOn.push(error));
    };
    const failure = new Error('x');
    ask(pass);
    ask((_req, _res, next) => next(failure));
    ask(() => {
      throw failure;
    });
    expect(passedOn).toEqual([undefined, failure, failure]);
  });

  test('options come last and are checked', () => {
    expect(() => compose(pass, { errors: 'json' as never })).toThrow(
      `compose: option 'errors': expected "application" or "problem", got "json"`,
    );
    expect(() => compose(pass, { error: 'problem' } as never)).toThrow("did you mean 'errors'?");
  });
});

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('%s in the chain', (_, framework) => {
  test('applications and plain middleware mix, and what the application leaves goes on', async () => {
    const app = framework();
    app.get('/mine', (_req, res) => void res.json({ from: 'express' }));
    app.get('/broken', () => {
      throw new Error('inside');
    });
    const listener = compose(
      (_req, res, next) => {
        res.setHeader('X-First', '1');
        next();
      },
      app,
      (req, res, next) => (req.url === '/after' ? res.end('after express') : next()),
    );
    const server = http.createServer(listener);
    const mine = await request(server).get('/mine');
    expect(mine.body).toEqual({ from: 'express' });
    expect(mine.headers['x-first']).toBe('1');
    expect((await request(server).get('/after')).text).toBe('after express');
    expect((await request(server).get('/nowhere')).body).toMatchObject({ code: 'NOT_FOUND' });
    expect((await request(server).get('/broken')).body).toMatchObject({ code: 'INTERNAL' });
  });

  const failures: ReadonlyArray<readonly [string, unknown]> = [
    ['none', undefined],
    ['plain', new Error('plain')],
    ['a 403 that is not exposed', Object.assign(new Error('x'), { status: 403 })],
    ['a 503 with a field', Object.assign(new Error('x'), { statusCode: 503, headers: { 'Retry-After': '7' } })],
    [
      'a 401 with a challenge',
      Object.assign(new Error('x'), { status: 401, headers: { 'WWW-Authenticate': 'Basic' } }),
    ],
    ['a string', 'broken'],
    ["'router'", 'router'],
  ];

  test.each(failures)('last in the chain, it answers its own errors and 404s: %s', async (_name, failure) => {
    const app = framework();
    app.set('env', 'test');
    app.get('/x', (_req, _res, next) => next(failure));
    const [bare, composed, problemDocument] = await Promise.all([
      request(http.createServer(app)).get('/x'),
      request(http.createServer(compose(pass, app))).get('/x'),
      request(http.createServer(compose(pass, app, { errors: 'problem' }))).get('/x'),
    ]);
    const seen = ({ status, text, headers }: typeof bare): unknown => [status, text, { ...headers, date: undefined }];
    expect(seen(composed)).toEqual(seen(bare));
    expect(problemDocument.status).toBe(bare.status);
    expect(problemDocument.type).toBe('application/problem+json');
  });

  test('mounted in another application, what it leaves is the outer one’s', async () => {
    const inner = framework();
    inner.get('/inner/broken', (_req, _res, next) => next(new Error('inside')));
    const outer = framework();
    outer.use(compose(pass, inner));
    outer.get('/after', (_req, res) => void res.send('after'));
    outer.use(((_error, _req, res, _next) => void res.status(418).send('outer')) as express.ErrorRequestHandler);
    expect((await request(outer).get('/after')).text).toBe('after');
    expect((await request(outer).get('/inner/broken')).text).toBe('outer');
  });

  test('as the only handler under app.use, a composed listener ends the request', async () => {
    const app = framework();
    app.use('/inner', compose(answer('composed')));
    expect((await request(app).get('/inner/x')).text).toBe('composed');
  });
});
