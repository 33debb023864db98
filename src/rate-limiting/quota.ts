/**
 * A quota as integers. Rates are fractions and floating point is not: a bucket that adds up `elapsed × rate` soon
 * refuses a token that is there. So time is counted in whole microseconds, the rate is the fraction p/q it was meant to
 * be, and a token is q·10⁶ units, of which p flow back each microsecond. Every sum is then exact below 2⁵³, here and in
 * Redis' Lua alike.
 */
import { checkValue, number, string, type Check } from '../shared/options.js';

/** A limit as it is configured: the bucket holds `rateLimit` tokens and `refillRate` of them return each second. */
export interface Limit {
  /** Capacity of the bucket in tokens: the largest burst. 0 refuses everything. */
  readonly rateLimit: number;
  /** Tokens that return each second. 0: what is spent stays spent. */
  readonly refillRate: number;
}

/** A named limit, resolved to integers. Immutable; compare by identity. */
export interface Quota extends Limit {
  /** Policy name, as the header fields show it. Buckets of different names never meet. */
  readonly name: string;
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
 * @throws TypeError, RangeError naming `who` for a limit that is none
 */
export function resolveQuota(name: string, { rateLimit, refillRate }: Limit, who = 'rate limit'): Quota {
  checkValue(`${who}: policy name`, name, policyName);
  checkValue(`${who}: 'rateLimit'`, rateLimit, rateLimitCheck);
  checkValue(`${who}: 'refillRate'`, refillRate, refillRateCheck);
  const room = Math.floor(EXACT / (Math.max(rateLimit, 1) * MICROSECONDS));
  const [numerator, denominator] = toFraction(refillRate, Math.min(MAX_DENOMINATOR, Math.max(1, room)));
  const unitsPerToken = denominator * MICROSECONDS;
  return Object.freeze({
    name,
    rateLimit,
    refillRate,
    unitsPerToken,
    unitsPerMicrosecond: numerator,
    capacity: Math.round(rateLimit * unitsPerToken),
  });
}

/** Units that a cost in tokens stands for. Costs resolve to a millionth of a token. */
export function unitsOf(quota: Quota, tokens: number): number {
  return Math.round(tokens * quota.unitsPerToken);
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
