/**
 * The program of the thread that answers `/livez`. It is read as text and run in a thread, so it uses nothing from
 * outside of the function.
 */
import type * as Http from 'node:http';
import type * as WorkerThreads from 'node:worker_threads';

/** The cells that the process and its thread share. */
export const BEATS = 0;
export const IS_ALIVE = 1;

/** What the thread is started with. */
export interface LivenessSettings {
  readonly cells: Int32Array;
  readonly port: number;
  readonly host: string;
  readonly path: string;
  /** Milliseconds. */
  readonly maxBlocked: number;
  /** Milliseconds between two looks at the beats. */
  readonly period: number;
}

/** What the thread reports: the port it listens on, or why it does not. */
export type LivenessReport = { readonly port: number } | { readonly error: string };

/** Watches the beats of the event loop and answers for it. */
export function serveLiveness({ workerData, parentPort }: typeof WorkerThreads, http: typeof Http): void {
  const { cells, port, host, path, maxBlocked, period } = workerData as LivenessSettings;
  let beats = Atomics.load(cells, 0);
  let beatenAt = performance.now();
  const look = (): number => {
    const now = performance.now();
    const latest = Atomics.load(cells, 0);
    if (latest !== beats) beatenAt = now;
    beats = latest;
    return now - beatenAt;
  };
  setInterval(look, period);

  const verdict = (): { readonly status: 'pass' | 'fail'; readonly notes?: readonly string[] } => {
    if (look() > maxBlocked) return { status: 'fail', notes: ['event loop blocked'] };
    return { status: Atomics.load(cells, 1) === 1 ? 'pass' : 'fail' };
  };
  const server = http.createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (req, res) => {
    const isAsked = req.url?.split('?', 1)[0] === path;
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    const body = isAsked && isRead ? verdict() : { status: 'fail' };
    const status = isAsked ? (isRead ? (body.status === 'pass' ? 200 : 503) : 405) : 404;
    res.writeHead(status, {
      'Content-Type': 'application/health+json',
      'Cache-Control': 'no-store',
      Connection: 'close',
      ...(status === 405 && { Allow: 'GET, HEAD' }),
    });
    res.end(req.method === 'HEAD' ? undefined : JSON.stringify(body));
  });
  server.maxConnections = 100;
  const report = (what: LivenessReport): void => parentPort?.postMessage(what);
  server.once('error', (error) => report({ error: error.message }));
  server.listen(port, host, () => report({ port: (server.address() as { port: number }).port }));
}
