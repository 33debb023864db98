/** Work as a span: current while it runs, ended when it returns, settles or throws. */
import type { Attributes, RecordedSpan } from '../shared/instrumentation.js';
import { runInside } from './context.js';
import { currentSpan } from './install.js';
import type { Span } from './span.js';

/** Runs the function with the span as the current one and ends the span with it. What it returns or throws is passed on. */
export function runSpan<R>(span: Span, callback: () => R): R {
  let result: R;
  try {
    result = runInside(span, callback);
  } catch (error) {
    span.end(error ?? new Error('failed'));
    throw error;
  }
  if (!isThenable(result)) {
    span.end();
    return result;
  }
  // A branch of its own: the caller gets the promise it made, with every handler it attaches.
  result.then(
    () => span.end(),
    (error: unknown) => span.end(error ?? new Error('rejected')),
  );
  return result;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/**
 * Runs a function as a child span of the current one, and as what is current for all that it starts:
 * `await withSpan('load-plan', () => plans.find(id))`. Outside of any trace the function just runs.
 *
 * @param callback gets the span, to set attributes on; undefined outside of any trace
 */
export function withSpan<R>(name: string, callback: (span: RecordedSpan | undefined) => R, attributes?: Attributes): R {
  const span = currentSpan()?.startChild(name, attributes);
  return span === undefined ? callback(undefined) : runSpan(span, () => callback(span));
}
