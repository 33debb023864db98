/**
 * The window algorithms. A bucket with windows holds the debt that counts now, for the sliding window also what was
 * counted in the window before, and the length of the window in force. Windows begin at multiples of their length. The
 * scripts of RedisStore and PostgresStore do the same arithmetic in the same order.
 */
import type { Quota } from './quota.js';

/** A bucket with windows at `time`. */
export interface WindowState {
  /** Units that count against the limit. */
  debt: number;
  /** Units counted in the previous window; 0 for fixed windows. */
  previous: number;
  /** Microseconds. */
  time: number;
  /** The window in force, as `signedWindow` returns it. 0: the debt returns continuously, as in a token bucket. */
  window: number;
}

/** How one algorithm counts. Instants are in microseconds and amounts in units. */
interface WindowStrategy {
  /** Moves the state on to `now`. */
  advance(state: WindowState, length: number, now: number): void;
  /** Microseconds until `units` can be paid, where they cannot be paid now and do not exceed the capacity. */
  wait(state: WindowState, length: number, room: number): number;
  /** Microseconds until nothing counts. */
  untilFull(state: WindowState, length: number): number;
}

/** All that was counted is forgotten when the next window begins. */
const fixedWindow: WindowStrategy = {
  advance(state, length, now) {
    if (Math.floor(now / length) > Math.floor(state.time / length)) state.debt = 0;
    state.time = now;
  },
  wait: ({ time }, length) => length - (time % length),
  untilFull: ({ debt, time }, length) => (debt === 0 ? 0 : length - (time % length)),
};

/** The part of the previous window that still counts. Rounded up, so that it is 0 only when that window is over. */
function carried(previous: number, length: number, time: number): number {
  return previous === 0 ? 0 : Math.ceil((previous * (length - (time % length))) / length);
}

/** The previous window counts for the part of it that a window ending now still covers. */
const slidingWindow: WindowStrategy = {
  advance(state, length, now) {
    const begun = Math.floor(now / length) - Math.floor(state.time / length);
    if (now > state.time) {
      const counted = split(state, length);
      state.previous = begun === 0 ? state.previous : begun === 1 ? counted : 0;
      state.debt = (begun === 0 ? counted : 0) + carried(state.previous, length, now);
    }
    state.time = now;
  },
  wait(state, length, room) {
    const counted = split(state, length);
    const start = state.time - (state.time % length);
    const fits = counted <= room;
    const [weighed, free] = fits ? [state.previous, room - counted] : [counted, room];
    const near = start + (fits ? 0 : length) + Math.floor(length * Math.max(0, 1 - free / weighed));
    // The division rounds, so the moments around its result are tried.
    let at = Math.max(state.time + 1, near - 1);
    while (owedAt(state, length, at) > room) at++;
    return at - state.time;
  },
  untilFull(state, length) {
    if (state.debt === 0) return 0;
    const rest = length - (state.time % length);
    return split(state, length) > 0 ? length + rest : rest;
  },
};

/** Units counted in the current window. */
function split({ debt, previous, time }: WindowState, length: number): number {
  return Math.max(0, debt - carried(previous, length, time));
}

/**
 * Lowers or sets the debt, after a refund for example. If less is owed than the previous window carries over, that window
 * counted less: otherwise, what is spent next would count as spent in it, and return too early.
 */
export function setOwed(state: WindowState, debt: number): void {
  state.debt = debt;
  if (state.window >= 0 || state.previous === 0) return;
  const carry = carried(state.previous, -state.window, state.time);
  if (debt < carry) state.previous = Math.floor((state.previous * debt) / carry);
}

function owedAt(state: WindowState, length: number, at: number): number {
  const then = { ...state };
  slidingWindow.advance(then, length, at);
  return then.debt;
}

function strategyOf(window: number): WindowStrategy {
  return window > 0 ? fixedWindow : slidingWindow;
}

/** The window of a quota as states and scripts hold it: 0 for a token bucket, negative for a sliding window. */
export function signedWindow({ algorithm, window }: Quota): number {
  return algorithm === 'sliding-window' ? -window : window;
}

/**
 * Moves a bucket on to `now`, where it is used under `quota`.
 *
 * Spent units return when the window in force ends. A shorter window comes into force only then: otherwise, one
 * request under a limit per minute would forgive what was spent under a limit per hour. A longer one comes into force
 * at once. At every change, all that is owed counts as spent in the new window.
 *
 * @param rate units that return each microsecond where no window is in force
 */
export function moveOn(state: WindowState, quota: Quota, rate: number, now: number): void {
  const { window } = state;
  const length = Math.abs(window);
  let hasEnded = true;
  if (window === 0) {
    state.debt = Math.max(state.debt - Math.max(0, now - state.time) * rate, 0);
    state.time = now;
  } else {
    hasEnded = Math.floor(now / length) > Math.floor(state.time / length);
    strategyOf(window).advance(state, length, now);
  }
  const asked = signedWindow(quota);
  if (asked === window) return;
  const isShorter = asked !== 0 && quota.window < length;
  if (isShorter && state.debt > 0 && !hasEnded) return;
  state.window = asked;
  state.previous = 0;
}

/** Microseconds until `units` can be paid under `quota`, where they cannot be paid now and do not exceed the capacity. */
export function windowWait(state: WindowState, quota: Quota, units: number): number {
  const { window, time } = state;
  const length = Math.abs(window);
  const wait = strategyOf(window).wait(state, length, quota.capacity - units);
  const end = length - (time % length);
  // Where a shorter window takes over, what is owed then counts in it, and is gone at the end of the next one.
  return length > quota.window && window < 0 && wait >= end ? end + 2 * quota.window : wait;
}

/** Microseconds until the whole capacity is there again. */
export function windowReset(state: WindowState): number {
  return strategyOf(state.window).untilFull(state, Math.abs(state.window));
}
