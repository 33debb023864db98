/**
 * Conformance of a `ContextCarrier`: the current span follows the work through everything that a server does with it.
 * It never leaks into other work. The cases are plain async functions that throw, for any test framework.
 */
import assert from 'node:assert/strict';
import { AsyncResource } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Readable, Transform } from 'node:stream';
import { Worker } from 'node:worker_threads';
import type { ActiveSpan, ContextCarrier } from '../tracing/context.js';
import type { ConformanceCase } from './conformance-case.js';

const span = (n: number): ActiveSpan => ({
  traceId: n.toString(16).padStart(32, 'a'),
  spanId: n.toString(16).padStart(16, 'b'),
});

const A = span(1);
const B = span(2);

/** Awaits the work in context A. A must still be current after it. */
async function follows(carrier: ContextCarrier, work: () => Promise<unknown>): Promise<void> {
  const seen = await carrier.run(A, async () => {
    await work();
    return carrier.get();
  });
  assert.equal(seen, A);
}

const callbackOf = (start: (done: () => void) => void) => (): Promise<void> => new Promise((resolve) => start(resolve));

/**
 * A pool that hands its only connection to waiting callers, each in the context in which it waited, like
 * ConnectionPool.
 */
class OnePlacePool {
  #waiters: (() => void)[] = [];
  #isFree = true;

  async acquire(): Promise<void> {
    if (this.#isFree) this.#isFree = false;
    else await new Promise<void>((resolve) => this.#waiters.push(AsyncResource.bind(() => resolve())));
  }

  release(): void {
    const next = this.#waiters.shift();
    if (next === undefined) this.#isFree = true;
    else next();
  }
}

/** Awaited without listeners, because events of a request are emitted in the context of its connection. */
async function readBody(req: http.IncomingMessage): Promise<void> {
  for await (const _part of req) await Promise.resolve();
}

async function sendsThroughServer(carrier: ContextCarrier): Promise<void> {
  const server = http.createServer((req, res) => {
    const here = req.url === '/1' ? A : B;
    carrier.run(here, () => {
      void readBody(req).then(() => setImmediate(() => res.end(String(carrier.get() === here))));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  const ask = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const request = http.request({ port, agent, path, method: 'POST' }, (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (part: string) => (text += part));
        res.on('end', () => resolve(text));
      });
      request.on('error', reject).end('body');
    });
  try {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`/${1 + (i % 2)}`)));
    assert.deepEqual([...new Set(answers)], ['true']);
  } finally {
    agent.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function throughFile(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'carrier-'));
  try {
    await writeFile(join(folder, 'file'), 'text');
    await readFile(join(folder, 'file'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function throughWorker(): Promise<void> {
  const worker = new Worker("require('node:worker_threads').parentPort.once('message', (m) => process.exit(m))", {
    eval: true,
  });
  worker.postMessage(0);
  await once(worker, 'exit');
}

const WAYS: Readonly<Record<string, () => Promise<unknown>>> = {
  await: async () => {
    await Promise.resolve();
    await Promise.resolve();
  },
  'process.nextTick': callbackOf((done) => process.nextTick(done)),
  queueMicrotask: callbackOf((done) => queueMicrotask(done)),
  setImmediate: callbackOf((done) => setImmediate(done)),
  setTimeout: callbackOf((done) => setTimeout(done, 1)),
  'Promise.all': () => Promise.all([Promise.resolve(1), new Promise((resolve) => setImmediate(resolve))]),
  'a thenable': async () => {
    await { then: (resolve: (value: number) => void) => setImmediate(() => resolve(1)) };
  },
  'an async generator': async () => {
    const numbers = async function* (): AsyncGenerator<number> {
      yield await Promise.resolve(1);
      yield 2;
    };
    for await (const _number of numbers()) await Promise.resolve();
  },
  'a stream': () =>
    pipeline(
      Readable.from(['a', 'b']),
      new Transform({ transform: (part, _encoding, done) => setImmediate(done, null, part) }),
      async (source) => {
        for await (const _part of source) await Promise.resolve();
      },
    ),
  files: throughFile,
  'a worker thread': throughWorker,
  'a rejection caught': async () => {
    await Promise.reject(new Error('expected')).catch(() => undefined);
  },
};

/**
 * All cases. Run each in its own test.
 *
 * @example
 * import { test } from 'node:test';
 * import { asyncContext } from '@tooloo/resilience';
 * import { contextCarrierCases } from '@tooloo/resilience/testing';
 *
 * for (const { name, run } of contextCarrierCases) test(name, () => run(() => asyncContext())); // your carrier
 */
export const contextCarrierCases: readonly ConformanceCase<ContextCarrier>[] = [
  {
    name: 'no span is current outside of run',
    async run(create) {
      assert.equal((await create()).get(), undefined);
    },
  },
  {
    name: 'run passes on arguments, the result and exceptions',
    async run(create) {
      const carrier = await create();
      assert.equal(
        carrier.run(A, (x: number, y: number) => x + y, 2, 3),
        5,
      );
      const fail = (): never => {
        throw new RangeError('expected');
      };
      assert.throws(() => carrier.run(A, fail), /expected/);
      assert.equal(carrier.get(), undefined);
      await assert.rejects(
        carrier.run(A, () => Promise.resolve().then(fail)),
        /expected/,
      );
      assert.equal(carrier.get(), undefined);
    },
  },
  {
    name: 'an inner run restores the outer span; in run(undefined) no span is current',
    async run(create) {
      const carrier = await create();
      await carrier.run(A, async () => {
        assert.equal(await carrier.run(B, async () => (await Promise.resolve(), carrier.get())), B);
        assert.equal(carrier.get(), A);
        assert.equal(
          carrier.run(undefined, () => carrier.get()),
          undefined,
        );
        assert.equal(await carrier.run(undefined, async () => (await Promise.resolve(), carrier.get())), undefined);
        assert.equal(carrier.get(), A);
      });
    },
  },
  ...Object.entries(WAYS).map(([name, work]): ConformanceCase<ContextCarrier> => ({
    name: `follows ${name}`,
    run: async (create) => follows(await create(), work),
  })),
  {
    name: 'hundreds of concurrent runs do not mix',
    async run(create) {
      const carrier = await create();
      const one = async (n: number): Promise<boolean> => {
        const mine = span(n);
        return carrier.run(mine, async () => {
          for (let i = 0; i < 5; i++) {
            await new Promise<void>((resolve) => (n % 2 === 0 ? setImmediate(resolve) : process.nextTick(resolve)));
            if (carrier.get() !== mine) return false;
          }
          return true;
        });
      };
      const all = await Promise.all(Array.from({ length: 300 }, (_, n) => one(n)));
      assert.ok(all.every(Boolean));
    },
  },
  {
    name: 'a listener runs in the context of the emitter',
    async run(create) {
      const carrier = await create();
      const emitter = new EventEmitter();
      let seen: ActiveSpan | undefined;
      carrier.run(A, () => emitter.on('event', () => (seen = carrier.get())));
      carrier.run(B, () => emitter.emit('event'));
      assert.equal(seen, B);
    },
  },
  {
    name: 'a waiter of a pool resumes in its own context, not in that of the releaser',
    async run(create) {
      const carrier = await create();
      const pool = new OnePlacePool();
      await carrier.run(A, () => pool.acquire());
      const waiting = carrier.run(B, async () => {
        await pool.acquire();
        return carrier.get();
      });
      carrier.run(A, () => pool.release());
      assert.equal(await waiting, B);
    },
  },
  {
    name: 'requests on shared connections of one server do not mix',
    run: async (create) => sendsThroughServer(await create()),
  },
];
