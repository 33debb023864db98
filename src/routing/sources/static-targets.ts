/** Instances written down in the configuration. */
import { parseTarget, type TargetSpec, type TargetUrl } from '../target.js';
import type { TargetSource } from './target-source.js';

/**
 * A source that tells of these instances and never changes its mind.
 *
 * @param targets `'http://127.0.0.1:3011'`, `{ url, weight, zone }` or `{ port, host, weight, zone, protocol, id }`
 * @throws TypeError or RangeError for a wrong target
 */
export function staticTargets(targets: ReadonlyArray<string | TargetUrl | TargetSpec>): TargetSource {
  if (!Array.isArray(targets)) throw new TypeError('staticTargets: expected an array of targets');
  const specs = targets.map((target: string | TargetUrl | TargetSpec) => {
    parseTarget('staticTargets', target);
    return typeof target === 'string' ? { url: target } : target;
  });
  return {
    subscribe(_service, listener) {
      listener(specs);
      return () => undefined;
    },
    close: () => undefined,
  };
}
