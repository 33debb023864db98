/** Runs work as a span: current while it runs, ended when it returns, settles or throws. */
import { types } from 'node:util';
import type { Attributes, RecordedSpan } from '../shared/instrumentation.js';
import { watchSettled } from '../shared/user-value.js';
import { runInside } from './context.js';
import { currentSpan } from './install.js';
import type { Span } from './span.js';

/**
 * Runs the function with the span as the current one and ends the span with it. Its return value or error is passed on
 * unchanged. A lazy thenable runs once, when its owner awaits it, with the span as the current one.
 *
 * @param isFresh whether no other code holds the promise that the callback returns, as with an async function
 */
export function runSpan<R>(span: Span, callback: () => R, isFresh: boolean): R {
  let result: R;
  try {
    result = runInside(span, callback);
  } catch (error) {
    span.end(error ?? new Error('failed'));
    throw error;
  }
  const settled = (...rejection: [] | [unknown]): void => {
    if (rejection.length === 0) span.end();
    else span.end(rejection[0] ?? new Error('rejected'));
  };
  const isWatched = watchSettled(result, settled, { around: (call) => runInside(span, call), isFresh });
  if (!isWatched) span.end();
  return result;
}

/**
 * Runs a function as a child span of the current one, which is then the current span for everything it starts: `await
 * withSpan('load-plan', () => plans.find(id))`. Outside of any trace the function runs without a span.
 *
 * @param callback receives the span to set attributes on; undefined outside of any trace
 *
 * @example
 * import { withSpan } from '@tooloo/resilience';
 *
 * const report = await withSpan('create-report', () => createReport(), { 'report.kind': 'daily' });
 */
export function withSpan<R>(name: string, callback: (span: RecordedSpan | undefined) => R, attributes?: Attributes): R {
  const span = currentSpan()?.startChild(name, attributes);
  return span === undefined
    ? callback(undefined)
    : runSpan(span, () => callback(span), types.isAsyncFunction(callback));
}
