/**
 * `@tooloo/resilience/cls-hooked`: the trace carried in a cls-hooked namespace, for servers that keep their request state
 * in one. `AsyncLocalStorage`, the default, does the same for less.
 *
 * @module
 */
import { createNamespace, getNamespace, type Namespace } from 'cls-hooked';
import type { ActiveSpan, ContextCarrier } from './tracing/context.js';

const SPAN = 'tooloo.span';

/**
 * A carrier for the option `context` of `trace`. Within a request, code that knows the namespace finds the ids:
 * `getNamespace('app').get('traceId')` and `…get('spanId')`.
 *
 * @param namespace an existing namespace, or the name of one, which is created if it does not exist
 *
 * @example
 * import { trace } from '@tooloo/resilience';
 * import { clsHookedContext } from '@tooloo/resilience/cls-hooked';
 *
 * app.use(trace({ context: clsHookedContext('app') }));
 */
export function clsHookedContext(namespace: Namespace | string): ContextCarrier {
  const store = typeof namespace === 'string' ? (getNamespace(namespace) ?? createNamespace(namespace)) : namespace;
  return {
    // Without an active context `get` of a namespace warns; there is nothing current then.
    get: () => (store.active === null ? undefined : (store.get(SPAN) as ActiveSpan | undefined)),
    run: (span, callback, ...args) =>
      store.runAndReturn(() => {
        store.set(SPAN, span);
        store.set('traceId', span?.traceId);
        store.set('spanId', span?.spanId);
        return callback(...args);
      }),
  };
}
