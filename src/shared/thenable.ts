/** Promises of the user's callbacks, recognised as `await` does: by their `then`. */

/** Whether `await` would wait for this value. Plain values cost two comparisons. */
export function isThenable<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
