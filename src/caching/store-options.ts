/** The options of `set` and `getOrSet`, checked. */
import { anyOf, array, checkOptions, checkValue, milliseconds, object } from '../shared/options.js';
import type { StoreOptions } from './claim.js';
import type { LoadOptions } from './load.js';

const storeChecks = { ttl: milliseconds, grace: milliseconds, tags: array };
const timeoutChecks = { soft: milliseconds, hard: milliseconds };
const loadChecks = {
  ...storeChecks,
  timeout: anyOf(milliseconds, object('{ soft, hard }')),
  refreshAhead: milliseconds,
};

/** A number is the lifetime. */
export function checkStoreOptions(who: string, options: number | StoreOptions | undefined): StoreOptions {
  if (options === undefined) return {};
  if (typeof options !== 'number') return checkOptions(who, options, storeChecks);
  checkValue(`${who}: ttl`, options, milliseconds);
  return { ttl: options };
}

export function checkLoadOptions(who: string, options: LoadOptions): LoadOptions {
  const checked = checkOptions(who, options, loadChecks);
  if (typeof checked.timeout === 'object') checkOptions(`${who}: option 'timeout'`, checked.timeout, timeoutChecks);
  return checked;
}
