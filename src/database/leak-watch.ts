/** Leak detection: records where a connection was borrowed, and reports it if it is not returned. */
import { currentRoute, currentTrace } from '../shared/instrumentation.js';
import { callGuarded } from '../shared/listeners.js';
import type { LeakReport } from './pool-options.js';
import type { BorrowOrigin, PooledConnection } from './pooled-connection.js';

/**
 * Stacks captured per second. One costs ten microseconds and more, a quarter of a short query. A busy pool captures
 * them for a part of its loans only, so that this takes at most a thousandth of a processor. Code that leaks
 * connections does so repeatedly, so it is still found.
 */
const STACKS_PER_SECOND = 100;
const SECOND = 1000;

/** Makes a function that remembers where a connection is borrowed: route and trace always, the stack while it is cheap. */
export function originRecorder(): (now: number) => BorrowOrigin {
  let since = -Infinity;
  let taken = 0;
  return function recordOrigin(now) {
    if (now - since >= SECOND) {
      since = now;
      taken = 0;
    }
    const holder: { stack?: string } = {};
    if (taken++ < STACKS_PER_SECOND) Error.captureStackTrace(holder, recordOrigin);
    return { holder, route: currentRoute(), traceId: currentTrace()?.traceId };
  };
}

/** The frames from the borrower on: `acquire` stands before it. Formatted only now, when somebody reads them. */
function stackOf({ holder }: BorrowOrigin): string {
  return (holder.stack ?? '').split('\n').slice(2).join('\n');
}

function reportOf(loan: PooledConnection, now: number): LeakReport {
  const { id, origin, since } = loan;
  const stack = origin === undefined ? '' : stackOf(origin);
  return { id, heldFor: now - since, stack, route: origin?.route, traceId: origin?.traceId };
}

function warnOfLeak(name: string, { id, heldFor, stack, route, traceId }: LeakReport): void {
  const where = [route && `route ${route}`, traceId && `trace ${traceId}`].filter(Boolean).join(', ');
  process.emitWarning(
    `pool '${name}': connection ${id} was borrowed ${Math.round(heldFor)} ms ago and not given back` +
      `${where === '' ? '' : ` (${where})`}${stack === '' ? '' : `. Borrowed\n${stack}`}`,
    { code: 'TOOLOO_POOL_LEAK' },
  );
}

/** Reports a borrowing once. */
export function reportLeak(
  name: string,
  loan: PooledConnection,
  now: number,
  onLeak: ((report: LeakReport) => unknown) | undefined,
): void {
  loan.isReported = true;
  const report = reportOf(loan, now);
  if (onLeak === undefined) warnOfLeak(name, report);
  else callGuarded('ConnectionPool.onLeak', onLeak, report);
}
