/** The classification of an instance by the head of its response. */

/**
 * `good`; `bad`: it responded with an error; `busy`: it is healthy but at its capacity. An instance that reports being
 * full must not be ejected, and its breaker must not open, because the service would lose all of its capacity.
 */
export type Verdict = 'good' | 'bad' | 'busy';

/**
 * Overload is one of the reasons for a 503 (RFC 9110 §15.6.4), and Retry-After says that it is temporary. Without
 * Retry-After a 503 is a failure like any other 5xx. The client causes a 429 (RFC 6585 §4), but a 429 is as fast as any
 * rejection.
 */
export function judgeAnswer(status: number, headers: Readonly<Record<string, unknown>>): Verdict {
  if (status === 429 || (status === 503 && headers['retry-after'] !== undefined)) return 'busy';
  return status < 500 ? 'good' : 'bad';
}
