/** Tracing changes nothing the program does, and counts what its clients saw. */
import { EventEmitter, once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import fc from '../support/fast-check.js';
import { trace, type TraceMiddleware } from '../../src/middleware/trace.js';
import { currentTrace, startSpan } from '../../src/shared/instrumentation.js';
import { withSpan } from '../../src/tracing/run-span.js';
import { until } from '../support/eventually.js';
import { everyHostileValue } from '../support/hostile-values.js';
import { fuzz, type Tally } from './harness.js';

type Simple =
  | 'pass'
  | 'pass later'
  | 'answer'
  | 'stream'
  | 'abort'
  | 'throw'
  | 'reject'
  | 'next error'
  | 'hostile error'
  | 'hostile attribute'
  | 'span'
  | 'rejecting span'
  | 'lazy thenable'
  | 'emitter'
  | 'answer and throw'
  | 'change status after';

type Step = Simple | { readonly router: readonly Step[] } | { readonly route: readonly Step[] };

const simple = fc.constantFrom<Simple>(
  'pass',
  'pass later',
  'answer',
  'stream',
  'abort',
  'throw',
  'reject',
  'next error',
  'hostile error',
  'hostile attribute',
  'span',
  'rejecting span',
  'lazy thenable',
  'emitter',
  'answer and throw',
  'change status after',
);

const { steps } = fc.letrec<{ steps: Step[]; step: Step }>((tie) => ({
  steps: fc.array(tie('step'), { minLength: 1, maxLength: 4 }),
  step: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    { weight: 5, arbitrary: simple },
    { weight: 1, arbitrary: fc.record({ router: tie('steps') }) },
    { weight: 1, arbitrary: fc.record({ route: tie('steps') }) },
  ),
}));

/** A query builder: does its work when `then` is called. */
class LazyQuery {
  constructor(readonly run: () => number) {}
  then<R>(onFulfilled?: (rows: number) => R, onRejected?: (reason: unknown) => R): Promise<R | number> {
    return Promise.resolve(this.run()).then(onFulfilled, onRejected);
  }
}

interface Program {
  readonly log: string[];
  /** Where a request's context was lost or mixed up; only where it is traced. */
  readonly strays: string[];
  readonly hostile: readonly unknown[];
  isTraced: boolean;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One handler; `at` makes what it does its own and repeatable. */
function handlerOf(step: Simple, at: number, program: Program) {
  const { log, hostile } = program;
  const note = (what: string): void => void log.push(`${at} ${what}`);
  const value = hostile[at % hostile.length];
  return function handler(req: Request, res: Response, next: NextFunction): unknown {
    const before = currentTrace()?.traceId;
    const check = (): void => {
      if (program.isTraced && currentTrace()?.traceId !== before) program.strays.push(`${at} ${step}`);
    };
    note(`${step} ${String(res.headersSent)}`);
    switch (step) {
      case 'pass':
        return next();
      case 'pass later':
        setImmediate(() => {
          check();
          next();
        });
        return undefined;
      case 'answer':
        return res.headersSent ? next() : res.status(200 + (at % 3)).send(`answer ${at}`);
      case 'stream':
        if (res.headersSent) return next();
        res.write(`part ${at}`);
        return setImmediate(() => res.end('last'));
      case 'abort':
        return req.socket.destroy();
      case 'throw':
        throw new Error(`thrown ${at}`);
      case 'reject':
        return turn().then(() => Promise.reject(new Error(`rejected ${at}`)));
      case 'next error':
        return next(Object.assign(new Error(`given ${at}`), { status: 409 }));
      case 'hostile error':
        return next(value);
      case 'hostile attribute': {
        const span = startSpan('attribute');
        span?.setAttribute('value', value as string);
        span?.end(value);
        return next();
      }
      case 'span': {
        const promise = turn();
        const given = withSpan('work', () => promise);
        note(`same ${String(given === promise)}`);
        return given.then(check).then(() => next());
      }
      case 'rejecting span':
        return withSpan('work', async () => {
          await turn();
          throw value;
        }).catch(() => next());
      case 'lazy thenable': {
        const query = new LazyQuery(() => (note('query runs'), at));
        const given = withSpan('query', () => query);
        note(`same ${String(given === query)}`);
        return (async () => note(`rows ${String(await given)}`))().then(() => next());
      }
      case 'emitter': {
        const emitter = new EventEmitter();
        emitter.once('event', check);
        setImmediate(() => emitter.emit('event'));
        return once(emitter, 'event').then(() => next());
      }
      case 'answer and throw':
        if (!res.headersSent) res.status(202).send('answered');
        throw new Error('too late');
      case 'change status after':
        if (!res.headersSent) res.status(201).send('created');
        res.statusCode = 500;
        return undefined;
    }
  };
}

function build(target: Router, list: readonly Step[], program: Program, counter: { at: number }): void {
  for (const step of list) {
    const at = counter.at++;
    if (typeof step === 'string') target.use(handlerOf(step, at, program));
    else if ('router' in step) {
      const router = express.Router();
      build(router, step.router, program, counter);
      target.use(at % 2 === 0 ? '/a' : '/', router);
    } else {
      const handlers = step.route.filter((inner) => typeof inner === 'string');
      target.all('/a/:id', ...handlers.map((inner) => handlerOf(inner, counter.at++, program)), (_req, _res, next) =>
        next(),
      );
    }
  }
}

interface Seen {
  readonly status: number | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** The answer that one client sees; without a status if the connection ended before the answer was complete. */
function see(port: number, path: string): Promise<Seen> {
  return new Promise((resolve) => {
    const lost = (): void => resolve({ status: undefined, fields: {}, body: '' });
    const req = request({ port, host: '127.0.0.1', path, agent: false }, (res) => {
      let body = '';
      res.on('data', (chunk: Buffer) => (body += chunk.toString()));
      res.on('error', lost);
      res.on('end', () => {
        const { date: _date, traceresponse: _trace, ...fields } = res.headers;
        // Express names files and lines in the page of an error.
        resolve({
          status: res.statusCode,
          fields: { ...fields, 'content-length': undefined },
          body: body.split('<br>')[0]!,
        });
      });
    });
    req.on('error', lost).end();
  });
}

/** More than the longest program has steps. */
const TURNS_AFTERWARDS = 100;
const PATHS = ['/a/1', '/a/1', '/b', '/'];

async function observe(
  list: readonly Step[],
  traced: TraceMiddleware | undefined,
): Promise<{ seen: Seen[]; program: Program }> {
  const program: Program = { log: [], strays: [], hostile: everyHostileValue(), isTraced: traced !== undefined };
  const app = express();
  app.set('env', 'test'); // Express writes no errors to the console
  if (traced !== undefined) app.use(traced);
  build(app, list, program, { at: 0 });
  app.use((_error: unknown, _req: Request, res: Response, _next: NextFunction) => {
    program.log.push(`error page ${String(res.headersSent)}`);
    if (res.headersSent) res.end();
    else res.status(500).send('failed');
  });
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const seen: Seen[] = [];
  for (const path of PATHS) seen.push(await see(port, path));
  await new Promise((resolve) => server.close(resolve));
  // A handler may go on after its answer, from one turn of the event loop to the next.
  for (let i = 0; i < TURNS_AFTERWARDS; i++) await turn();
  return { seen, program };
}

async function leavesAsItWas(list: readonly Step[], tally: Tally): Promise<void> {
  const plain = await observe(list, undefined);
  const traced = trace({ samplingRate: 0.5 });
  try {
    const { seen, program } = await observe(list, traced);
    expect(program.log).toEqual(plain.program.log);
    expect(seen).toEqual(plain.seen);
    expect(program.strays).toEqual([]);
    await until(() => traced.tracer.getMetrics().totalRequests === PATHS.length, 'a request was never counted');
    const { activeTraces } = traced.tracer.getMetrics();
    expect(activeTraces).toBe(0);
    // Counted by status as the clients saw it.
    const counted = new Map<number | undefined, number>();
    for (const { status, count } of traced.tracer.requestSeries())
      counted.set(status, (counted.get(status) ?? 0) + count);
    const expected = new Map<number | undefined, number>();
    for (const { status } of seen) expected.set(status, (expected.get(status) ?? 0) + 1);
    expect(Object.fromEntries(counted)).toEqual(Object.fromEntries(expected));
    tally['requests'] = (tally['requests'] ?? 0) + 2 * PATHS.length;
  } finally {
    await traced.close();
  }
}

fuzz(
  'trace',
  [
    {
      title: 'a program does the same with and without trace, and is counted as its clients saw it',
      arbitrary: steps,
      check: leavesAsItWas,
    },
  ],
  0.6,
);
