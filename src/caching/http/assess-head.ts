/** Assesses the head of a response under the settings of the cache. */
import { assess, type Assessment, type BuildSettings, type RequestFacts } from './build-response.js';
import type { CacheSettings } from './cache-settings.js';
import type { Exchange } from './exchange.js';
import type { HeadFacts } from './response-head.js';

/** The settings that apply to the response of a request. */
export function buildSettingsFor(settings: CacheSettings, { req, res }: Pick<Exchange, 'req' | 'res'>): BuildSettings {
  const { shared, staleWhileRevalidate, staleIfError, ttl, heuristic, vary } = settings;
  const own = typeof ttl === 'function' ? settings.guarded('ttl', () => ttl(req, res), undefined) : ttl;
  return { shared, staleWhileRevalidate, staleIfError, ttl: own, heuristic, vary };
}

/** Whether a response may be stored, and for how long it is fresh. A stated length above the limit forbids it too. */
export function assessHead(
  settings: CacheSettings,
  x: Pick<Exchange, 'req' | 'res'>,
  request: RequestFacts,
  head: HeadFacts,
): Assessment {
  const assessment = assess(head, request, buildSettingsFor(settings, x), settings.clock.now());
  const length = head.fields['content-length'];
  const isTooLarge = length !== undefined && Number(length) > settings.budget.maxBodySize;
  return isTooLarge && assessment.unstorable === undefined ? { ...assessment, unstorable: 'too-large' } : assessment;
}
