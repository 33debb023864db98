/** Counts that must return to 0 when requests are over: timers, slots, waiting requests, and those of retry budgets. */
import { TargetWaits, type TargetWait } from '../../src/routing/forwarding/target-wait.js';
import type { UpstreamCall } from '../../src/routing/forwarding/upstream-call.js';
import { Upstream } from '../../src/routing/forwarding/upstream.js';
import type { Clock } from '../../src/shared/clock.js';
import { RetryBudget } from '../../src/shared/retry-budget.js';

/** A clock that counts the timers set and neither fired nor cancelled. */
export interface CountingClock extends Clock {
  readonly pending: number;
}

export function countingClock(): CountingClock {
  const pending = new Set<NodeJS.Timeout>();
  return {
    now: () => performance.now(),
    setTimer: (callback, delay) => {
      const handle = setTimeout(
        () => {
          pending.delete(handle);
          callback();
        },
        Math.min(Math.max(delay, 0), 2 ** 31 - 1),
      );
      handle.unref();
      pending.add(handle);
      return {
        cancel: () => {
          clearTimeout(handle);
          pending.delete(handle);
        },
      };
    },
    get pending() {
      return pending.size;
    },
  };
}

const budgets = new Set<RetryBudget>();
const upstreams = new Set<Upstream>();
const targetWaits = new Set<TargetWaits>();

/* eslint-disable @typescript-eslint/unbound-method -- always called with `call` */
const { begin } = RetryBudget.prototype;
const { send } = Upstream.prototype;
const { add } = TargetWaits.prototype;
/* eslint-enable @typescript-eslint/unbound-method */

RetryBudget.prototype.begin = function (this: RetryBudget): void {
  budgets.add(this);
  begin.call(this);
};
Upstream.prototype.send = function (this: Upstream, call: UpstreamCall): boolean {
  upstreams.add(this);
  return send.call(this, call);
};
TargetWaits.prototype.add = function (this: TargetWaits, wait: TargetWait): boolean {
  targetWaits.add(this);
  return add.call(this, wait);
};

function sum<T>(items: ReadonlySet<T>, count: (one: T) => number): number {
  return [...items].reduce((total, one) => total + count(one), 0);
}

/** What the proxies used since `forgetLeftovers` still count: only what is not 0. */
export function leftovers(): Record<string, number> {
  const counts = {
    'requests of the budget': sum(budgets, ({ active }) => active),
    'retries of the budget': sum(budgets, ({ retrying }) => retrying),
    'requests at connections': sum(upstreams, ({ active }) => active),
    'requests queued': sum(upstreams, ({ queued }) => queued),
    'requests that wait for a target': sum(targetWaits, ({ size }) => size),
  };
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

/** Counts only what is used from now on. */
export function forgetLeftovers(): void {
  budgets.clear();
  upstreams.clear();
  targetWaits.clear();
}
