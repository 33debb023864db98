import { createServer } from 'node:http';
import { MemoryStore as TheirStore, type Options, type Store } from 'express-rate-limit';
import request from 'supertest';
import { rateLimit } from '../../src/middleware/index.js';
import {
  charge,
  ExpressRateLimitStore,
  RateLimiter,
  resolveQuota,
  type ExpressRateLimitStoreLike,
} from '../../src/rate-limiting/index.js';

const WINDOW = 600_000;
const ten = resolveQuota('ten', { rateLimit: 10, refillRate: 10 / 600, algorithm: 'fixed-window' });
const three = resolveQuota('three', { rateLimit: 3, refillRate: 3 / 600, algorithm: 'fixed-window' });

const theirs: TheirStore[] = [];
function open(without: readonly (keyof Store)[] = []): ExpressRateLimitStore {
  const store = new TheirStore();
  theirs.push(store);
  const shown = new Proxy(store, {
    get: (target, name) => {
      if (without.includes(name as keyof Store)) return undefined;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return new ExpressRateLimitStore({ store: shown, windowMs: WINDOW });
}
afterEach(() => {
  for (const store of theirs.splice(0)) store.shutdown();
});

async function admitted(store: ExpressRateLimitStore, attempts: number, key = 'a', quota = ten): Promise<number> {
  let count = 0;
  for (let i = 0; i < attempts; i++) if (await store.take([charge(key, quota)])) count++;
  return count;
}

test("express-rate-limit's types are accepted", () => {
  const store: Store = new TheirStore();
  theirs.push(store as TheirStore);
  expect(new ExpressRateLimitStore({ store, windowMs: WINDOW }).algorithms).toEqual(['fixed-window']);
});

test.each([[[]], [['get']]] as Array<[Array<keyof Store>]>)('counts windows; without %p too', async (without) => {
  const store = open(without);
  expect(await store.read('a', ten)).toBe(10);
  expect(await admitted(store, 15)).toBe(10);
  const refused = charge('a', ten);
  expect(await store.take([refused])).toBe(false);
  expect(refused.remaining).toBe(0);
  expect(refused.retryAfter).toBeGreaterThan(0);
  expect(refused.retryAfter).toBeLessThanOrEqual(WINDOW);
  await store.refund([charge('a', ten, 2)]);
  expect(await store.read('a', ten)).toBe(2);
  expect(await admitted(store, 5, 'b', three)).toBe(3);
  await store.write('a', ten, 4);
  expect(await admitted(store, 9)).toBe(4);
  await store.reset('a', ten);
  expect(await admitted(store, 15)).toBe(10);
  expect(await store.take([charge('c', ten, 0)])).toBe(true);
});

test('a refusal is not counted, nor what another limit refused; costs are whole', async () => {
  const store = open();
  await admitted(store, 3, 'all', three);
  expect(await store.take([charge('a', ten, 4), charge('all', three)])).toBe(false);
  expect(await store.read('a', ten)).toBe(10);
  expect(await store.take([charge('a', ten, 8)])).toBe(true);
  expect(await store.take([charge('a', ten, 3)])).toBe(false);
  expect(await store.take([charge('a', ten, 2)])).toBe(true);
  const never = charge('n', ten, 11);
  expect(await store.take([never])).toBe(false);
  expect([never.remaining, never.retryAfter]).toEqual([10, Infinity]);
  await expect(store.take([charge('a', ten, 0.5)])).rejects.toThrow(/whole number/);
});

test('requests that come together never pass the limit', async () => {
  const store = open();
  const outcomes = await Promise.all(Array.from({ length: 60 }, () => store.take([charge('a', ten)])));
  expect(outcomes.filter(Boolean).length).toBe(10);
  expect(await store.read('a', ten)).toBe(0);
});

test('another algorithm or window is refused by name', async () => {
  const store = open();
  expect(() => new RateLimiter({ store, rateLimit: 10 })).toThrow(/no algorithm 'token-bucket'.*'fixed-window'/);
  const minute = resolveQuota('minute', { rateLimit: 60, refillRate: 1, algorithm: 'fixed-window' });
  await expect(store.take([charge('a', minute)])).rejects.toThrow(/window of 60000 ms.*600000/);
  const policies = [{ name: 'p', rateLimit: 1, refillRate: 1 }];
  expect(() => rateLimit({ store, policies })).toThrow(/algorithm/);
});

test('resetAll, and a store that fails or never answers', async () => {
  const store = open();
  await admitted(store, 4);
  await store.resetAll();
  expect(await store.read('a', ten)).toBe(10);
  await expect(open(['resetAll']).resetAll()).rejects.toMatchObject({ code: 'NOT_CONFIGURED' });
  const silent: ExpressRateLimitStoreLike = {
    init: (_options: Partial<Options>) => Promise.reject(new Error('no database')),
    increment: () => new Promise(() => undefined),
    decrement: () => undefined,
    resetKey: () => undefined,
  };
  const failing = new ExpressRateLimitStore({ store: silent, windowMs: WINDOW });
  await expect(failing.take([charge('a', ten)])).rejects.toMatchObject({ cause: { message: 'no database' } });
  delete silent.init;
  const hanging = new ExpressRateLimitStore({ store: silent, windowMs: WINDOW, timeout: 5 });
  await expect(hanging.take([charge('a', ten)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

test('the middleware answers as with its own stores', async () => {
  const limit = rateLimit({
    store: open(),
    algorithm: 'fixed-window',
    rateLimit: 2,
    refillRate: 2 / 600,
    name: 'login',
  });
  const server = createServer((req, res) => limit(req, res, () => res.end('ok')));
  const answers = [];
  for (let i = 0; i < 3; i++) answers.push(await request(server).get('/'));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
  expect(answers[0]!.headers['ratelimit']).toMatch(/^"login";r=1;t=600$/);
  expect(Number(answers[2]!.headers['retry-after'])).toBeGreaterThan(590);
  await limit.close();
});
