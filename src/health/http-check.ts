/** One health check over HTTP: a single request under a signal, its body read no further than needed. */
import axios from 'axios';
import type { Readable } from 'node:stream';

/** What a check found: alive and well, alive but warning, or not to be sent traffic, and why. */
export interface CheckOutcome {
  readonly status: 'healthy' | 'degraded' | 'unhealthy';
  readonly error?: string;
  /** It says itself that it is leaving: certain at once, where an error might have been chance. */
  readonly isLeaving?: boolean;
}

/** What an instance that is shutting down says in the `notes` of its health+json answer. */
const LEAVING = 'draining';

const MAX_BODY = 64 * 1024;

/** No proxy of the environment and no redirect: the instance itself shall answer. */
const client = axios.create({
  headers: { Accept: 'application/health+json, application/json', Connection: 'close' },
  responseType: 'stream',
  maxRedirects: 0,
  proxy: false,
  decompress: false,
  validateStatus: () => true,
});

/**
 * Asks `url` once: 2xx is healthy, or degraded when a health+json body says `warn`; anything else, an answer that is
 * not complete when the signal aborts, and no answer are unhealthy. Never rejects.
 */
export async function checkHttp(url: string, signal: AbortSignal): Promise<CheckOutcome> {
  try {
    const { status, headers, data } = await client.get<Readable>(url, { signal });
    const body = await readBounded(data, signal);
    const isJson = /\bjson\b/i.test(String(headers['content-type'] ?? ''));
    const document = isJson && body !== undefined ? parse(body) : {};
    if (status >= 200 && status <= 299) return { status: document.status === 'warn' ? 'degraded' : 'healthy' };
    const isLeaving = Array.isArray(document.notes) && document.notes.includes(LEAVING);
    return { status: 'unhealthy', error: isLeaving ? LEAVING : `answered ${status}`, isLeaving };
  } catch (error) {
    return { status: 'unhealthy', error: signal.aborted ? 'no answer in time' : describeFailure(error) };
  }
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
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' && !code.startsWith('ERR_') ? code : String(message);
}
