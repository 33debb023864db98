/** A load of a fixed number of requests at a time against one URL, for a time; counts what came of it. */
import { Pool } from 'undici';

export interface LoadOptions {
  readonly method?: 'GET' | 'POST';
  readonly body?: object;
  /** Requests in flight. */
  readonly concurrency: number;
  /** Milliseconds. */
  readonly duration: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export async function load(
  url: string,
  { method = 'GET', body, concurrency, duration }: LoadOptions,
): Promise<LoadResult> {
  const { origin, pathname, search } = new URL(url);
  const pool = new Pool(origin, { connections: concurrency });
  const latencies: number[] = [];
  let failed = 0;
  const begun = performance.now();
  const client = async (): Promise<void> => {
    while (performance.now() - begun < duration) {
      const sent = performance.now();
      const answer = await pool.request({
        method,
        path: pathname + search,
        ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      await answer.body.dump();
      latencies.push(performance.now() - sent);
      if (answer.statusCode >= 400) failed++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  const seconds = (performance.now() - begun) / 1000;
  await pool.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { requests: latencies.length, failed, perSecond: latencies.length / seconds, p50: at(0.5), p99: at(0.99) };
}
