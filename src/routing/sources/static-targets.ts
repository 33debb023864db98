/** Instances listed in the configuration. */
import { parseTarget, type TargetSpec, type TargetUrl } from '../target.js';
import type { TargetSource } from './target-source.js';

/**
 * A source that reports a fixed list of instances.
 *
 * @param targets `'http://127.0.0.1:3011'`, `{ url, weight, zone }` or `{ port, host, weight, zone, protocol, id }`
 * @throws TypeError or RangeError for an invalid target
 *
 * @example
 * import { staticTargets } from '@tooloo/resilience';
 *
 * const stop = router.follow('billing', staticTargets(['http://10.0.0.1:8080', 'http://10.0.0.2:8080']));
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
