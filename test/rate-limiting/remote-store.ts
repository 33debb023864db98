/** A store elsewhere, without the elsewhere. */
import { MemoryStore, type RateLimitStore } from '../../src/rate-limiting/index.js';
import type { FakeClock } from '../../src/testing.js';

/** A store with the buckets of a memory store, which fails when a test makes it fail. */
export function remote(clock: FakeClock): {
  store: RateLimitStore;
  fail: (how: Error | undefined) => void;
  asked: () => number;
} {
  let failure: Error | undefined;
  let asked = 0;
  const memory = new MemoryStore({ clock });
  const answer = <T>(value: () => T): Promise<T> => {
    asked++;
    return failure === undefined ? Promise.resolve(value()) : Promise.reject(failure);
  };
  const store: RateLimitStore = {
    instances: 4,
    take: (charges) => answer(() => memory.take(charges)),
    refund: (charges) => answer(() => memory.refund(charges)),
    read: (key, quota) => answer(() => memory.read(key, quota)),
    write: (key, quota, tokens) => answer(() => memory.write(key, quota, tokens)),
    reset: (key, quota) => answer(() => memory.reset(key, quota)),
    close: () => undefined,
  };
  return { store, fail: (how) => (failure = how), asked: () => asked };
}
