// Memory of two million distinct clients: without a bound, for the figure of each, and with the default one.
import { MemoryStore, RateLimiter } from '@tooloo/resilience';

const KEYS = 2_000_000;
const addressOf = (i) => `${i & 255}.${(i >> 8) & 255}.${(i >> 16) & 255}.${(i * 31) & 255}`;

function memory() {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

for (const maxKeys of [KEYS, undefined]) {
  const before = memory();
  const store = new MemoryStore({ maxKeys });
  const limiter = new RateLimiter({ rateLimit: 100, refillRate: 0.01, store });
  const began = performance.now();
  for (let i = 0; i < KEYS; i++) limiter.isAllowed(addressOf(i));
  const took = performance.now() - began;
  const used = memory() - before;
  console.log(
    `${KEYS.toLocaleString('en')} clients, ${maxKeys === undefined ? 'the default bound' : 'no bound'}: ` +
      `${store.size.toLocaleString('en')} buckets, ${(used / 1e6).toFixed(0)} MB, ${(used / store.size).toFixed(0)} bytes each, ` +
      `${(KEYS / took / 1000).toFixed(2)} M new clients/s`,
  );
  store.close();
}
