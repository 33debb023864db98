/** Requests that share pools, emitters, queues and calls: each resumes in its own trace, even if another wakes it. */
import { EventEmitter, once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import fc from '../support/fast-check.js';
import { ConnectionPool, sqliteConnections } from '../../src/index.js';
import { compose } from '../../src/middleware/compose.js';
import { trace, type TraceMiddleware } from '../../src/middleware/trace.js';
import { RequestDeduplicator } from '../../src/service-client.js';
import { bindContext, currentTrace } from '../../src/shared/instrumentation.js';
import { withSpan } from '../../src/tracing/run-span.js';
import type { SpanRecord } from '../../src/tracing/span.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';
import { until } from '../support/eventually.js';
import { fuzz, type Tally } from './harness.js';

const STEPS = [
  'query',
  'connection released by another',
  'bound listener',
  'listener of once',
  'emit',
  'shared call',
  'turn in a queue',
  'span',
  'failing span',
  'timer',
  'tick',
  'stream',
  'body',
] as const;
type Step = (typeof STEPS)[number];

/** What the requests of one run share. */
class Shared {
  readonly pool = new ConnectionPool({ factory: sqliteConnections(':memory:'), minConnections: 0, maxConnections: 1 });
  readonly emitter = new EventEmitter().setMaxListeners(0);
  readonly calls = new RequestDeduplicator<number>();
  readonly #ticker = setInterval(() => this.tick(), 1);
  #queue: Promise<void> = Promise.resolve();

  tick(): void {
    this.emitter.emit('tick');
    this.emitter.emit('release');
  }

  /** Runs after everything that was queued before it. */
  queued(call: () => Promise<void>): Promise<void> {
    return (this.#queue = this.#queue.then(call));
  }

  async close(): Promise<void> {
    await this.pool.drain(); // the ticker releases what is still in use
    clearInterval(this.#ticker);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One step of a request; `note` records the trace that is current. */
async function take(step: Step, shared: Shared, req: IncomingMessage, note: () => void): Promise<void> {
  const { pool, emitter, calls } = shared;
  switch (step) {
    case 'query':
      await pool.use(async (connection) => {
        note();
        await connection.query('SELECT 1');
        note();
      });
      return;
    case 'connection released by another': {
      const connection = await pool.acquire();
      note();
      emitter.once('release', () => void pool.release(connection));
      return;
    }
    case 'bound listener':
      return new Promise((resolve) => {
        emitter.once(
          'tick',
          bindContext(() => {
            note();
            resolve();
          }),
        );
      });
    case 'listener of once':
      await once(emitter, 'tick');
      return;
    case 'emit':
      return shared.tick();
    case 'shared call':
      await calls.run('key', async () => {
        await turn();
        return 1;
      });
      return;
    case 'turn in a queue':
      await shared.queued(turn);
      return;
    case 'span':
      return withSpan('work', async () => {
        await turn();
        note();
      });
    case 'failing span':
      return withSpan('failing work', async () => {
        await turn();
        throw new Error('failed');
      }).catch(note);
    case 'timer':
      return new Promise((resolve) => setTimeout(resolve, 1));
    case 'tick':
      return new Promise((resolve) => process.nextTick(resolve));
    case 'stream':
      for await (const _part of Readable.from(['a', 'b'])) note();
      return;
    case 'body':
      for await (const _part of req) note();
  }
}

type Seen = readonly (string | undefined)[];

/** The traces that a request saw while it was served. */
function send(port: number, traceId: string, steps: readonly Step[]): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const headers = { traceparent: `00-${traceId}-${'b'.repeat(16)}-01`, steps: JSON.stringify(steps) };
    const sent = request({ port, host: '127.0.0.1', method: 'POST', agent: false, headers }, (res) => {
      let body = '';
      res.on('data', (chunk: Buffer) => (body += chunk.toString()));
      res.on('end', () => resolve((JSON.parse(body) as (string | null)[]).map((id) => id ?? undefined)));
      res.on('error', reject);
    });
    sent.on('error', reject).end('a body');
  });
}

async function serve(traced: TraceMiddleware | undefined, programs: readonly (readonly Step[])[]): Promise<Seen[]> {
  const shared = new Shared();
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const seen: (string | undefined)[] = [];
    const note = (): void => void seen.push(currentTrace()?.traceId);
    for (const step of JSON.parse(String(req.headers['steps'])) as Step[]) {
      await take(step, shared, req, note);
      note();
    }
    res.end(JSON.stringify(seen));
  };
  const handler = (req: IncomingMessage, res: ServerResponse): void => void answer(req, res);
  const server: Server = createServer(traced === undefined ? compose(handler) : compose(traced, handler));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await Promise.all(programs.map((steps, i) => send(port, traceIdOf(i), steps)));
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await shared.close();
  }
}

const traceIdOf = (i: number): string => `${i + 1}`.padStart(32, 'a');

/** Every span is below one of its own trace, or below the client's. */
function expectWhole(spans: readonly SpanRecord[]): void {
  const ids = new Set(spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`));
  const strays = spans.filter(({ traceId, parentSpanId, kind }) =>
    kind === 'server' ? parentSpanId !== 'b'.repeat(16) : !ids.has(`${traceId} ${parentSpanId}`),
  );
  expect(strays).toEqual([]);
}

async function staysApart(programs: readonly (readonly Step[])[], tally: Tally): Promise<void> {
  const plain = await serve(undefined, programs);
  const spans: SpanRecord[] = [];
  const tracer = new DistributedTracer({ exporter: { export: (some) => void spans.push(...some) } });
  try {
    const traced = await serve(trace({ tracer }), programs);
    // The same steps were taken, and each saw the trace of its own request.
    expect(traced.map((seen) => seen.length)).toEqual(plain.map((seen) => seen.length));
    expect(new Set(plain.flat())).toEqual(new Set(programs.flat().length === 0 ? [] : [undefined]));
    traced.forEach((seen, i) => expect(new Set(seen)).toEqual(new Set(seen.length === 0 ? [] : [traceIdOf(i)])));

    await until(() => tracer.getMetrics().totalRequests === programs.length, 'a request was never counted');
    expect(tracer.getMetrics().activeTraces).toBe(0);
    expectWhole(spans);
    // Counted as often as they ran, and exported as often as they were counted.
    const operations = tracer.innerOperations();
    const taken = (step: Step): number => programs.flat().filter((one) => one === step).length;
    expect(operations['work']?.count ?? 0).toBe(taken('span'));
    expect(operations['failing work']?.errors ?? 0).toBe(taken('failing span'));
    for (const [name, { count }] of Object.entries(operations)) {
      expect({ [name]: spans.filter(({ operation }) => operation === name).length }).toEqual({ [name]: count });
    }
    tally['requests'] = (tally['requests'] ?? 0) + 2 * programs.length;
    tally['spans'] = (tally['spans'] ?? 0) + spans.length;
  } finally {
    await tracer.close();
  }
}

fuzz(
  'trace',
  [
    {
      title: 'requests that share pools, emitters and queues keep their traces apart',
      arbitrary: fc.array(fc.array(fc.constantFrom(...STEPS), { maxLength: 6 }), { minLength: 1, maxLength: 8 }),
      check: staysApart,
    },
  ],
  0.4,
);
