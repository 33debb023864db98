/**
 * When the async context of a request is entered. On Node 20, all promises and resources of a process become more
 * expensive with the first `AsyncLocalStorage.run`. On newer versions, each one that is created within a context does. A
 * proxied request creates many, and no code of the application runs meanwhile that could read the context. Where only
 * middleware of this kind follows, `compose` therefore enters it when it reaches other code. Such middleware finds
 * the trace of a request by the request (`instrumentation.ts`).
 */

/** Set on middleware that runs no code of the application, except through `runInContextOf`. */
export const NEEDS_NO_CONTEXT: unique symbol = Symbol.for('@tooloo/resilience:needs-no-context') as never;

/** A middleware that enters the context itself has here the same middleware without that. */
export const ENTERS_LATER: unique symbol = Symbol.for('@tooloo/resilience:enters-later') as never;

/** Deeper data counts as code, because it may contain itself. */
const DEEPEST = 20;

/**
 * Whether a value is plain data down to its last member. Middleware whose options are has no code of the application to
 * run: no callback, store, clock or router.
 */
export function isPlainData(value: unknown, depth = 0): boolean {
  if (typeof value === 'function') return false;
  if (typeof value !== 'object' || value === null || value instanceof RegExp || ArrayBuffer.isView(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null || Array.isArray(value);
  return isPlain && depth < DEEPEST && Object.values(value).every((member) => isPlainData(member, depth + 1));
}
