// Decisions a second through one Redis, 100 asked at a time, each for another client.
import { RateLimiter } from '@tooloo/resilience';
import { RedisStore } from '@tooloo/resilience/redis';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { microbenchmark } from '../harness.js';

const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
const AT_ONCE = 100;
const KEYS = Array.from({ length: 10_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
const clients = [];

function connect(options) {
  const client = new Redis(url, options);
  clients.push(client);
  return client;
}

/** Asks in waves, as requests that arrive together do. */
function inWaves(decide) {
  let next = 0;
  return async (n) => {
    for (let i = 0; i < n; i += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => decide(KEYS[(next = (next + 7919) % KEYS.length)])));
    }
  };
}

const store = new RedisStore({ client: connect(), prefix: '{bench-ours}:', timeout: 10_000 });
const limiter = new RateLimiter({ rateLimit: 1_000_000, refillRate: 10, store, onStoreError: 'deny' });
const flexible = (client) =>
  new RateLimiterRedis({ storeClient: client, points: 1_000_000, duration: 10, keyPrefix: 'bench-rlf' });
const peer = flexible(connect());
const pipelined = flexible(connect({ enableAutoPipelining: true }));
await Promise.all(clients.map((client) => client.ping()));

await microbenchmark({
  title: 'Decisions through Redis, 100 at a time',
  functions: {
    ours: inWaves((key) => limiter.isAllowed(key)),
    'rate-limiter-flexible': inWaves((key) => peer.consume(key)),
    'rate-limiter-flexible, auto-pipelining': inWaves((key) => pipelined.consume(key)),
  },
  ours: 'ours',
  targets: [{ name: 'ours', of: 'rate-limiter-flexible', least: 1.5 }],
  rounds: Number(process.env.ROUNDS ?? 7),
  batch: 2_000,
});
for (const client of clients) client.disconnect();
