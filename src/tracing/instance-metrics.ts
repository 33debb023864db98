/** Metrics of the instances of a service, read from the `/metrics` of each. */
import { readBody, sendRequest } from '../shared/http-request.js';
import { checkOptions, milliseconds, recordOf, string } from '../shared/options.js';
import type { ExposedMetric } from './exposition.js';
import { runUntraced } from './context.js';
import type { ProcessMetrics } from './metric-sums.js';

/** How the instances are asked. */
export interface InstanceMetricsOptions {
  /** Milliseconds that an instance may take. Default 1000. */
  readonly timeout?: number;
  /** Header fields of each request, a token for instance. */
  readonly headers?: Readonly<Record<string, string>>;
}

const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Collects the metrics of the instances of a service, for `createSummedMetrics({ collect: instanceMetrics(…) })`.
 *
 * @param urls of the `/metrics` of each instance there is now, which `createMetrics` answers
 * @throws TypeError or RangeError for a wrong option
 *
 * @example
 * import { createSummedMetrics, instanceMetrics } from '@tooloo/resilience';
 *
 * const urls = () => router.getHealthyTargets('orders').map(({ origin }) => `${origin}/metrics`);
 * const metrics = createSummedMetrics({ collect: instanceMetrics(urls) });
 */
export function instanceMetrics(urls: () => Iterable<string>, options?: InstanceMetricsOptions) {
  const checks = { timeout: milliseconds, headers: recordOf(string) };
  const { timeout = 1000, headers } = checkOptions('instanceMetrics', options, checks);

  async function read(url: string): Promise<readonly ExposedMetric[] | undefined> {
    try {
      const signal = AbortSignal.timeout(timeout);
      const response = await sendRequest(url, { signal, headers: { ...headers, Accept: 'application/json' } });
      if (response.statusCode !== 200) return void response.destroy();
      const data: unknown = JSON.parse((await readBody(response, MAX_BYTES)).toString());
      return Array.isArray(data) ? (data as ExposedMetric[]) : undefined;
    } catch {
      return undefined; // counts with what it said last
    }
  }

  return async function collectFromInstances(): Promise<ProcessMetrics> {
    const answers = Array.from(new Set(urls()), async (url) => [url, await runUntraced(() => read(url))] as const);
    return new Map(await Promise.all(answers));
  };
}
