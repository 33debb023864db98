/** Sends a request to one specific instance of a service. The control room needs it to show each instance. */
import { randomBytes } from 'node:crypto';
import { ResilienceError } from '../../src/index.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface AskOptions {
  readonly controlToken: string | undefined;
  /** Milliseconds. Default 1500. */
  readonly timeout?: number;
  /** Sent as JSON with POST. Without a body, the request is a GET. */
  readonly body?: object;
  /** Whether the body of a 503 is a valid answer, as with a health report. */
  readonly acceptsUnavailable?: boolean;
}

const TIMEOUT = 1500;

/** The `traceparent` says "not sampled", so the requests of the control room leave no traces among those it shows. */
function unsampled(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
}

/**
 * Returns the JSON from an instance, or undefined if the instance does not have that path.
 *
 * @throws ResilienceError UPSTREAM_REFUSED if there is no response in time, UPSTREAM_INVALID if the response is not
 * valid
 */
export async function askInstance<T>(instance: Address, path: string, options: AskOptions): Promise<T | undefined> {
  const { controlToken, timeout = TIMEOUT, body, acceptsUnavailable = false } = options;
  const host = instance.host.includes(':') ? `[${instance.host}]` : instance.host;
  const url = `http://${host}:${instance.port}${path}`;
  const answer = await fetch(url, {
    signal: AbortSignal.timeout(timeout),
    redirect: 'error',
    headers: {
      // Calls are seconds apart. An idle connection would only delay the shutdown of the instance.
      connection: 'close',
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
