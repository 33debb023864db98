/** Passes on a request without looking anything up, and names the reason in `Cache-Status`. */
import type { ServerResponse } from 'node:http';
import type { NextFunction } from '../../shared/http.js';
import type { CacheSettings } from './cache-settings.js';
import { appendCacheStatus, cacheStatus, type ForwardReason } from './cache-status.js';
import { joinValue } from './fields.js';
import { HeadHook } from './head-hook.js';

export function passBy(
  { counts, name }: CacheSettings,
  reason: ForwardReason,
  res: ServerResponse,
  next: NextFunction,
): void {
  counts.bypassed++;
  const member = cacheStatus(name, { hit: false, fwd: reason });
  new HeadHook(res, { judge: (head) => appendCacheStatus(joinValue(head.valueOf('cache-status')), member) });
  next();
}
