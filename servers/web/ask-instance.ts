/** Asking one very instance of a service, not whichever is free: what the control room shows is of each. */
import { randomBytes } from 'node:crypto';
import { ResilienceError } from '../../src/index.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface AskOptions {
  readonly controlToken: string | undefined;
  /** Milliseconds; 1500 unless told. */
  readonly timeout?: number;
  /** Sent as JSON with POST; without it the question is a GET. */
  readonly body?: object;
  /** Whether the body of a 503 is an answer: a health report is. */
  readonly acceptsUnavailable?: boolean;
}

const TIMEOUT = 1500;

/** Looking leaves no traces of its own among those looked at: the caller's decision, not sampled, is followed. */
function unsampled(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
}

/**
 * The JSON an instance answers; undefined where it has nothing at that address.
 *
 * @throws ResilienceError UPSTREAM_REFUSED where there is no answer in time, UPSTREAM_INVALID where it is not a good one
 */
export async function askInstance<T>(instance: Address, path: string, options: AskOptions): Promise<T | undefined> {
  const { controlToken, timeout = TIMEOUT, body, acceptsUnavailable = false } = options;
  const host = instance.host.includes(':') ? `[${instance.host}]` : instance.host;
  const url = `http://${host}:${instance.port}${path}`;
  const answer = await fetch(url, {
    signal: AbortSignal.timeout(timeout),
    redirect: 'error',
    headers: {
      traceparent: unsampled(),
      ...(controlToken !== undefined && { 'x-control-token': controlToken }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  }).catch((cause: unknown) => {
    throw new ResilienceError('UPSTREAM_REFUSED', `${url} did not answer`, { cause });
  });
  if (!answer.ok && !(acceptsUnavailable && answer.status === 503)) {
    await answer.body?.cancel();
    if (answer.status === 404) return undefined;
    throw new ResilienceError('UPSTREAM_INVALID', `${url} answered ${answer.status}`);
  }
  return (await answer.json()) as T;
}
