/**
 * Several caches that one request passes in one application. A cache that shares its store with an earlier one has
 * nothing to add. A cache with a store of its own holds copies that an invalidation of the outer one must reach.
 */
import type { IncomingMessage } from 'node:http';
import type { Invalidator } from './invalidator.js';
import type { ResponseStore } from './response-store.js';

/** A cache in the form in which requests that pass it remember it. */
export class PassedCache {
  readonly store: ResponseStore;
  readonly invalidator: Invalidator;
  /** The record of a request that passed no other cache: one for all of them. */
  readonly alone: readonly PassedCache[] = [this];

  constructor(store: ResponseStore, invalidator: Invalidator) {
    this.store = store;
    this.invalidator = invalidator;
  }
}

/**
 * The caches that a request has passed. A property rather than a `WeakMap`: V8 keeps the values of a large WeakMap, and so each
 * request, until the next collection of the old generation, which cost 10 µs per request.
 */
export const PASSED: unique symbol = Symbol.for('@tooloo/resilience:passed-caches') as never;

/** @returns false if a cache with the same store already handles the request */
export function enterCache(req: IncomingMessage & { [PASSED]?: readonly PassedCache[] }, cache: PassedCache): boolean {
  const outer = req[PASSED];
  if (outer?.some(({ store }) => store === cache.store) === true) return false;
  outer?.forEach(({ invalidator }) => invalidator.addInner(cache.invalidator));
  req[PASSED] = outer === undefined ? cache.alone : [...outer, cache];
  return true;
}
