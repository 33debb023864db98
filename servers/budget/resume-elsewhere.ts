/** Resumes a stream that another instance of the service has. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import type { Target } from '../../src/index.js';

/** Time in ms in which an instance must answer whether it has the stream. */
const TIMEOUT = 1500;

export interface ResumeOptions {
  /** All instances of the service, this one included. */
  readonly targets: readonly Target[];
  /** The path at each instance. There it must not lead to further requests. */
  readonly path: string;
  readonly lastEventId: string;
  readonly body: object;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
}

/** Asks all instances, and passes the stream on. Returns false if none of them has it. */
export async function resumeElsewhere(res: Response, options: ResumeOptions): Promise<boolean> {
  const { targets, signal } = options;
  const found = new AbortController();
  const answer = await Promise.any(targets.map((target) => ask(target, options, found.signal))).catch(() => undefined);
  found.abort(); // the instances that have not answered
  if (answer?.body == null) return false;
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
  res.flushHeaders();
  await pipeline(Readable.fromWeb(answer.body), res, { signal }).catch(() => res.destroy()); // one of the two is gone
  return true;
}

async function ask({ host, port }: Target, options: ResumeOptions, found: AbortSignal): Promise<globalThis.Response> {
  const { path, lastEventId, body, signal } = options;
  const waiting = new AbortController();
  const giveUp = (): void => waiting.abort();
  const timer = setTimeout(giveUp, TIMEOUT);
  found.addEventListener('abort', giveUp, { once: true });
  try {
    const answer = await fetch(`http://${host.includes(':') ? `[${host}]` : host}:${port}${path}`, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.any([waiting.signal, signal]),
      headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'Last-Event-ID': lastEventId },
      body: JSON.stringify(body),
    });
    if (answer.status === 200) return answer;
    await answer.body?.cancel();
    throw new Error(`status ${answer.status}`);
  } finally {
    clearTimeout(timer);
    found.removeEventListener('abort', giveUp);
  }
}
