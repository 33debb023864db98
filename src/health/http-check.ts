/** One health check over HTTP: a single request under a signal, its body read no further than needed. */
import type { Agent } from 'node:https';
import type { Readable } from 'node:stream';
import { messageOf } from '../shared/errors.js';
import { sendRequest } from '../shared/http-request.js';
import { propertyOf } from '../shared/user-value.js';
import { statusFrom } from './probe-answer.js';

/** The result of a check: healthy, degraded, or unhealthy and why. A degraded instance still receives traffic. */
export interface CheckOutcome {
  readonly status: 'healthy' | 'degraded' | 'unhealthy';
  readonly error?: string;
  /** The instance reports itself that it is draining. One report is enough, while a single error may be accidental. */
  readonly isLeaving?: boolean;
}

/** An instance that is shutting down has this text in the `notes` of its health+json response. */
const LEAVING = 'draining';

const MAX_BODY = 64 * 1024;

/** One connection per check, since a connection that is open already says nothing about new ones. */
const FIELDS = { Accept: 'application/health+json, application/json', Connection: 'close' };

/**
 * Requests `url` once. 2xx is healthy, or degraded if a health+json body has the status `warn`. Every other response is
 * unhealthy, as are no response and a response that is incomplete when the signal aborts. Never rejects.
 *
 * @param httpsAgent decides which certificates are trusted
 */
export async function checkHttp(url: string, signal: AbortSignal, httpsAgent?: Agent): Promise<CheckOutcome> {
  try {
    const agent = (url.startsWith('https:') && httpsAgent) || false; // Node's own agent would reuse connections
    const response = await sendRequest(url, { signal, headers: FIELDS, agent });
    const { statusCode: status = 0, headers } = response;
    const body = await readBounded(response, signal);
    const isJson = /\bjson\b/i.test(headers['content-type'] ?? '');
    const document = isJson && body !== undefined ? parse(body) : {};
    const said = statusFrom(document.status);
    if (status >= 200 && status <= 299 && said !== 'fail') return { status: said === 'warn' ? 'degraded' : 'healthy' };
    const isLeaving = Array.isArray(document.notes) && document.notes.includes(LEAVING);
    return { status: 'unhealthy', error: isLeaving ? LEAVING : reason(status, said), isLeaving };
  } catch (error) {
    return { status: 'unhealthy', error: signal.aborted ? 'no answer in time' : describeFailure(error) };
  }
}

function reason(status: number, said: string | undefined): string {
  return status >= 200 && status <= 299 && said === 'fail' ? 'its body says that it failed' : `answered ${status}`;
}

/** The body, or undefined when it is longer than any health answer: then the status alone has to do. */
function readBounded(stream: Readable, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (): void => void stream.destroy(new Error('no answer in time'));
    signal.addEventListener('abort', stop, { once: true });
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_BODY) {
        resolve(undefined);
        stream.destroy();
      }
    });
    stream.once('end', () => resolve(Buffer.concat(chunks).toString()));
    stream.once('error', reject);
    stream.once('close', () => {
      signal.removeEventListener('abort', stop);
      reject(new Error('the answer was cut off'));
    });
  });
}

/** The members of a health+json document; of anything else, none. */
function parse(body: string): { readonly status?: unknown; readonly notes?: unknown } {
  try {
    return (JSON.parse(body) as object | null) ?? {};
  } catch {
    return {};
  }
}

function describeFailure(error: unknown): string {
  const code = propertyOf(error, 'code');
  return typeof code === 'string' && !code.startsWith('ERR_') ? code : messageOf(error);
}
