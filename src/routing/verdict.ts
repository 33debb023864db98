/** What an answer's head says of the instance that gave it. */

/**
 * `good`; `bad`: it answered, and wrongly; `busy`: it is well and has no room. An instance that is ejected, or whose
 * breaker opens, for saying that it is full takes its whole share of the service's capacity with it.
 */
export type Verdict = 'good' | 'bad' | 'busy';

/**
 * 503 says that an overload is one of its reasons (RFC 9110 §15.6.4), and with Retry-After that it passes; without, it is
 * a failure like any other 5xx. 429 is of the client's making (RFC 6585 §4), but as quick as a refusal is.
 */
export function judgeAnswer(status: number, headers: Readonly<Record<string, unknown>>): Verdict {
  if (status === 429 || (status === 503 && headers['retry-after'] !== undefined)) return 'busy';
  return status < 500 ? 'good' : 'bad';
}
