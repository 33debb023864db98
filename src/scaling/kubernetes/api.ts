/** Requests to the Kubernetes API over TLS with the cluster's own CA. Requests are retried if that can help. */
import { Agent, request } from 'node:https';
import { Backoff, type Random } from '../../shared/backoff.js';
import { sleep, startTimer, type Clock } from '../../shared/clock.js';
import { ResilienceError, type ErrorCode } from '../../shared/errors.js';
import type { Credentials } from './credentials.js';

export interface ApiOptions {
  /** Time limit of a request in milliseconds. */
  readonly requestTimeout: number;
  readonly clock: Clock;
  readonly random?: Random | undefined;
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** Maximum number of attempts per request, including the first. */
const TRIES = 5;
const BACKOFF = { initial: 100, max: 5_000 };
/** The longest wait that the API may request, in ms. Above it, the request fails. */
const LONGEST_WAIT = 60_000;
/** Maximum size of a response in bytes. A list of pods has some kilobytes per pod. */
const MAX_BODY = 32 * 1024 * 1024;

/** Temporary failures that are worth a retry. */
const PASSING = new Set([409, 429, 500, 502, 503, 504]);

export class KubernetesApi {
  readonly #credentials: Credentials;
  readonly #options: ApiOptions;
  readonly #agent: Agent;

  constructor(credentials: Credentials, options: ApiOptions) {
    this.#credentials = credentials;
    this.#options = options;
    this.#agent = new Agent({ ca: credentials.ca, keepAlive: true, maxSockets: 4 });
  }

  get(path: string, signal?: AbortSignal): Promise<unknown> {
    return this.#ask('GET', path, undefined, signal);
  }

  /** Changes members of an object by a JSON merge patch (RFC 7396). */
  patch(path: string, change: object, signal?: AbortSignal): Promise<unknown> {
    return this.#ask('PATCH', path, JSON.stringify(change), signal);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #ask(method: string, path: string, body: string | undefined, signal?: AbortSignal): Promise<unknown> {
    const { clock, random } = this.#options;
    const backoff = new Backoff({ ...BACKOFF, random });
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const answer = await this.#send(method, path, body, signal).catch((error: unknown) => {
        signal?.throwIfAborted();
        return new ResilienceError('UPSTREAM_REFUSED', `kubernetes: ${method} ${path}: no answer`, { cause: error });
      });
      if (!(answer instanceof ResilienceError) && answer.status < 300) return parse(method, path, answer.body);
      const wait = waitAsked(answer) ?? backoff.next();
      if (attempt === TRIES || !isPassing(answer) || wait > LONGEST_WAIT) throw failure(method, path, answer);
      await sleep(clock, wait, signal);
    }
  }

  #send(method: string, path: string, body: string | undefined, signal?: AbortSignal): Promise<Answer> {
    const { server, token } = this.#credentials;
    const { clock, requestTimeout } = this.#options;
    return new Promise((resolve, reject) => {
      const headers = {
        Authorization: `Bearer ${token()}`,
        Accept: 'application/json',
        ...(body !== undefined && {
          'Content-Type': 'application/merge-patch+json',
          'Content-Length': Buffer.byteLength(body),
        }),
      };
      const sent = request(new URL(path, server), { method, headers, agent: this.#agent, signal });
      const deadline = startTimer(clock, () => sent.destroy(new Error('timed out')), requestTimeout);
      const fail = (error: Error): void => {
        deadline.cancel();
        reject(error);
      };
      sent.once('error', fail);
      sent.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
          if (text.length > MAX_BODY) sent.destroy(new Error('the answer is too long'));
        });
        response.once('error', fail);
        response.once('end', () => {
          deadline.cancel();
          resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body: text });
        });
      });
      sent.end(body);
    });
  }
}

function isPassing(answer: Answer | ResilienceError): boolean {
  return answer instanceof ResilienceError || PASSING.has(answer.status);
}

/** Milliseconds that the API asks to wait. It sends whole seconds. */
function waitAsked(answer: Answer | ResilienceError): number | undefined {
  const text = answer instanceof ResilienceError ? undefined : answer.retryAfter;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) * 1000 : undefined;
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  401: 'NOT_CONFIGURED',
  403: 'NOT_CONFIGURED',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  422: 'VALIDATION_FAILED',
};

/** Converts a failure of the API. Its reason names the object and the missing permission, never a secret. */
function failure(method: string, path: string, answer: Answer | ResilienceError): ResilienceError {
  if (answer instanceof ResilienceError) return answer;
  const reason = messageIn(answer.body) ?? `status ${answer.status}`;
  return new ResilienceError(CODES[answer.status] ?? 'UPSTREAM_INVALID', `kubernetes: ${method} ${path}: ${reason}`);
}

/** The message in the `Status` object that the API sends with a failure. */
function messageIn(body: string): string | undefined {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === 'string' ? message.slice(0, 500) : undefined;
  } catch {
    return undefined;
  }
}

function parse(method: string, path: string, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new ResilienceError('UPSTREAM_INVALID', `kubernetes: ${method} ${path}: the answer is not JSON`, {
      cause: error,
    });
  }
}
