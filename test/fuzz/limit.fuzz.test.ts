/** Slots return, and spent tokens stay spent, under any behaviour of clients and handlers and any change of limits. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2';
import { connect, type AddressInfo, type Server } from 'node:net';
import fc from '../support/fast-check.js';
import { compose, rateLimit, type RateLimitMiddleware } from '../../src/middleware/index.js';
import { MemoryStore, resolveQuota, charge } from '../../src/rate-limiting/index.js';
import { FakeClock } from '../../src/testing.js';
import { until } from '../support/eventually.js';
import { fuzz, type Tally } from './harness.js';

// --- slots -----------------------------------------------------------------------------------------------------------

type Behaviour = 'answer' | 'late' | 'stream' | 'hang' | 'throw' | 'destroy';

interface SlotScript {
  readonly http2: boolean;
  readonly release: 'response' | 'handler';
  readonly limit: number;
  readonly maxQueue: number;
  readonly isAsync: boolean;
  /** One request each, pipelined on one connection in HTTP/1.1. */
  readonly behaviours: readonly Behaviour[];
}

const slotScripts: fc.Arbitrary<SlotScript> = fc.record({
  http2: fc.boolean(),
  release: fc.constantFrom('response' as const, 'handler' as const),
  limit: fc.integer({ min: 1, max: 4 }),
  maxQueue: fc.integer({ min: 0, max: 3 }),
  isAsync: fc.boolean(),
  behaviours: fc.array(fc.constantFrom<Behaviour>('answer', 'late', 'stream', 'hang', 'throw', 'destroy'), {
    minLength: 1,
    maxLength: 10,
  }),
});

/** Fake time is moved instead of waiting for `abandonedTimeout`. */
async function slotsReturn(script: SlotScript, tally: Tally): Promise<void> {
  const { release, limit, maxQueue } = script;
  const clock = new FakeClock();
  const later = <T>(value: T): T | Promise<T> => (script.isAsync ? Promise.resolve(value) : value);
  const limiter = rateLimit({
    rateLimit: 1_000,
    refillRate: 0,
    clock,
    warnings: false,
    key: () => later('client'),
    skip: () => later(false),
    concurrency: { limit, maxQueue, release, key: () => later('all') },
  });
  let working = 0;
  let most = 0;
  const handler = compose(limiter, (req, res) => {
    const behaviour = req.url!.slice(1) as Behaviour;
    res.on('error', () => undefined);
    most = Math.max(most, ++working);
    const done = (): void => void working--;
    if (behaviour === 'late') return void setTimeout(() => (done(), res.end('late')), 1);
    if (behaviour === 'hang') return undefined;
    done();
    if (behaviour === 'answer') res.end('done');
    else if (behaviour === 'destroy') res.destroy();
    else if (behaviour === 'throw') throw Object.assign(new Error('wrong'), { status: 400, expose: true });
    else {
      res.write('a');
      setImmediate(() => res.end('b'));
    }
  });
  const server: Server = script.http2 ? createHttp2Server(handler as never) : createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const leave = await (script.http2 ? overHttp2(script, port, limiter) : overHttp1(script, port, limiter));
  await until(() => {
    clock.tick(30_000); // what no handler ends is given up
    const { inFlight, waiting } = limiter.concurrency!.getStats();
    return inFlight === 0 && waiting === 0;
  }, 'a slot was never given back');
  const hanging = script.behaviours.filter((name) => name === 'hang').length;
  if (release === 'handler' && hanging === 0) expect(most).toBeLessThanOrEqual(limit);
  leave();
  await limiter.close();
  await new Promise((closed) => server.close(closed));
  tally.requests = (tally.requests ?? 0) + script.behaviours.length;
}

/** Sends the requests, and leaves before all have their answers. Returns what ends the connection, where it still stands. */
async function overHttp1({ behaviours }: SlotScript, port: number, limiter: RateLimitMiddleware): Promise<() => void> {
  const client = connect(port, '127.0.0.1');
  client.on('error', () => undefined);
  client.resume();
  client.write(behaviours.map((name) => `GET /${name} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  await until(() => limiter.limiter.getStats().totalRequests > 0);
  client.destroy();
  return () => undefined;
}

/** Resets the streams alone: their slots must return although the connection stands. */
async function overHttp2({ behaviours }: SlotScript, port: number, limiter: RateLimitMiddleware): Promise<() => void> {
  const client = connectHttp2(`http://127.0.0.1:${port}`);
  client.on('error', () => undefined);
  const streams = behaviours.map((name) => {
    const stream = client.request({ ':path': `/${name}` });
    stream.on('error', () => undefined);
    return stream.resume();
  });
  await until(() => limiter.limiter.getStats().totalRequests === behaviours.length);
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
  return () => client.destroy();
}

// --- quotas that change ----------------------------------------------------------------------------------------------

const quotaChanges = fc.array(
  fc.record({ limit: fc.integer({ min: 0, max: 50 }), cost: fc.integer({ min: 0, max: 5 }) }),
  { minLength: 10, maxLength: 200 },
);

/** Without refill, the tokens admitted under a limit never exceed it, even if other limits are asked in between. */
function spentStaysSpent(steps: ReadonlyArray<{ limit: number; cost: number }>, tally: Tally): void {
  const store = new MemoryStore({ clock: new FakeClock() });
  let spent = 0;
  for (const { limit, cost } of steps) {
    const allowed = store.take([charge('a', resolveQuota('q', { rateLimit: limit, refillRate: 0 }), cost)]);
    expect(allowed).toBe(cost === 0 || spent + cost <= limit);
    if (allowed) spent += cost;
  }
  tally.decisions = (tally.decisions ?? 0) + steps.length;
}

fuzz('limit', [{ title: 'slots return to zero', arbitrary: slotScripts, check: slotsReturn }], 0.2);
const spent = 'what was spent stays spent under every limit';
fuzz('limit', [{ title: spent, arbitrary: quotaChanges, check: spentStaysSpent }], 0.05);
