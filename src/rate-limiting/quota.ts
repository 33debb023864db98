/**
 * A quota as integers. Rates are fractions and floating point is not: a bucket that adds up `elapsed × rate` soon
 * refuses a token that is there. So time is counted in whole microseconds, the rate is the fraction p/q it was meant to
 * be, and a token is q·10⁶ units, of which p flow back each microsecond. Every sum is then exact below 2⁵³, here and in
 * Redis' Lua alike.
 */
import { checkValue, number, oneOf, string, type Check } from '../shared/options.js';

/**
 * How spent tokens return. With 'token-bucket', they return continuously. With 'fixed-window', they return together when
 * the next window begins, so that twice the limit may pass around that moment. With 'sliding-window', the previous window
 * counts for the part that a window ending now still covers. A window is `rateLimit` ÷ `refillRate` seconds long.
 */
export type Algorithm = (typeof ALGORITHMS)[number];

export const ALGORITHMS = ['token-bucket', 'fixed-window', 'sliding-window'] as const;

/** A limit as it is configured: the bucket holds `rateLimit` tokens and `refillRate` of them return each second. */
export interface Limit {
  /** Capacity of the bucket in tokens: the largest burst. 0 refuses everything. */
  readonly rateLimit: number;
  /** Tokens that return each second. 0: what is spent stays spent. */
  readonly refillRate: number;
  /** How tokens return. Default 'token-bucket'. */
  readonly algorithm?: Algorithm;
}

/** A named limit, resolved to integers. Immutable; compare by identity. */
export interface Quota extends Limit {
  /** Policy name, as the header fields show it. Buckets of different names never meet. */
  readonly name: string;
  /** 'token-bucket' also where nothing returns: a window without an end is a bucket that is never refilled. */
  readonly algorithm: Algorithm;
  /** Length of a window in whole microseconds; 0 for a token bucket. */
  readonly window: number;
  /** Units in one token (q·10⁶). */
  readonly unitsPerToken: number;
  /** Units that return each microsecond (p). */
  readonly unitsPerMicrosecond: number;
  /** Capacity in units. */
  readonly capacity: number;
}

const MICROSECONDS = 1e6;
const EXACT = 2 ** 52; // sums of two such numbers are still exact
const MAX_TOKENS = 1e9;
const MAX_DENOMINATOR = 1e6;

export const rateLimitCheck: Check = number({ min: 0, max: MAX_TOKENS });
export const refillRateCheck: Check = number({ min: 0, max: MAX_TOKENS });
export const algorithmCheck: Check = oneOf(...ALGORITHMS);

const POLICY_NAME = /^[\x20-\x7e]+$/; // what a structured field string can hold (RFC 9651 §3.3.3)

/** Name of a policy: printable ASCII. */
export const policyName: Check = {
  expected: 'a name of printable ASCII characters',
  type: string.type,
  range: (value: string) => POLICY_NAME.test(value),
};

/**
 * The fraction nearest to a rate whose denominator stays within `max`, by continued fractions: 100 / 60 arrives as
 * 1.6666666666666667 and leaves as 5/3.
 */
function toFraction(rate: number, max: number): [numerator: number, denominator: number] {
  let [previous, current]: [[number, number], [number, number]] = [
    [1, 0],
    [Math.floor(rate), 1],
  ];
  let rest = rate - Math.floor(rate);
  while (Math.abs(current[0] / current[1] - rate) > rate * 1e-15 && rest > 0) {
    const inverse = 1 / rest;
    const digit = Math.floor(inverse);
    const next: [number, number] = [digit * current[0] + previous[0], digit * current[1] + previous[1]];
    if (next[1] > max) break;
    [previous, current] = [current, next];
    rest = inverse - digit;
  }
  // A rate below 1/max has no such fraction but 0, which would never refill.
  return current[0] === 0 && rate > 0 ? [1, Math.max(1, Math.round(1 / rate))] : current;
}

/**
 * Resolves a limit.
 *
 * @throws TypeError, RangeError naming `who` for an invalid limit
 *
 * @example
 * import { resolveQuota } from '@tooloo/resilience';
 *
 * const quota = resolveQuota('uploads', { rateLimit: 10, refillRate: 1 });
 */
export function resolveQuota(name: string, limit: Limit, who = 'rate limit'): Quota {
  const { rateLimit, refillRate, algorithm = 'token-bucket' } = limit;
  checkValue(`${who}: policy name`, name, policyName);
  checkValue(`${who}: 'rateLimit'`, rateLimit, rateLimitCheck);
  checkValue(`${who}: 'refillRate'`, refillRate, refillRateCheck);
  checkValue(`${who}: 'algorithm'`, algorithm, algorithmCheck);
  const window = algorithm === 'token-bucket' ? 0 : windowOf(rateLimit, refillRate);
  const room = Math.floor(EXACT / (Math.max(rateLimit, 1) * MICROSECONDS));
  const [numerator, denominator] = toFraction(refillRate, Math.min(MAX_DENOMINATOR, Math.max(1, room)));
  const unitsPerToken = denominator * MICROSECONDS;
  return Object.freeze({
    name,
    algorithm: window === 0 ? 'token-bucket' : algorithm,
    window,
    rateLimit,
    refillRate,
    unitsPerToken,
    unitsPerMicrosecond: numerator,
    capacity: Math.round(rateLimit * unitsPerToken),
  });
}

/** Whole microseconds, at least a millisecond; 0 where nothing returns. A limit of nothing has windows of a second. */
function windowOf(rateLimit: number, refillRate: number): number {
  if (refillRate === 0) return 0;
  return rateLimit === 0 ? MICROSECONDS : Math.max(1_000, Math.round((rateLimit / refillRate) * MICROSECONDS));
}

/** Units that a cost in tokens stands for. Costs resolve to a millionth of a token. */
export function unitsOf(quota: Quota, tokens: number): number {
  return Math.round(tokens * quota.unitsPerToken);
}

/** Tokens in a bucket of this debt; 0 where more was spent, under a larger limit, than the bucket can hold. */
export function tokensLeft(quota: Quota, debt: number): number {
  return debt < quota.capacity ? (quota.capacity - debt) / quota.unitsPerToken : 0;
}

/** A clock's milliseconds as whole microseconds. */
export function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000);
}

/** Milliseconds until this many units have flowed back, in whole microseconds; Infinity where nothing does. */
export function refillTime(quota: Quota, units: number): number {
  if (units <= 0) return 0;
  return quota.unitsPerMicrosecond === 0 ? Infinity : Math.ceil(units / quota.unitsPerMicrosecond) / 1000;
}
