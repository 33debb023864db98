/** opossum 6 to 9 → `CircuitBreaker`. */
import type { CallExpression, Expression } from 'typescript';
import { convertOptions, objectText, property, type Rows, type Values } from '../options.js';
import type { Migration } from '../migration.js';
import type { MethodCall, Source } from '../source.js';

const OPTIONS: Rows = {
  timeout: {
    verdict: 'different',
    how: 'The same, but there is no limit by default, where opossum has 10 seconds.',
    convert: (value, source) => (source.textOf(value) === 'false' ? [] : [property(source, 'timeout', value)]),
  },
  errorThresholdPercentage: { verdict: 'different', how: '`errorRate.threshold`, a share: 0.5 for 50.' },
  resetTimeout: { verdict: 'same', as: 'openDuration' },
  volumeThreshold: { verdict: 'different', how: '`errorRate.minimum`.' },
  rollingCountTimeout: { verdict: 'different', how: '`errorRate.window`, in milliseconds.' },
  rollingCountBuckets: { verdict: 'none', how: 'The window has buckets of its own.' },
  rollingPercentilesEnabled: { verdict: 'none', how: 'Percentiles are those of `trace`.' },
  name: { verdict: 'same' },
  errorFilter: {
    verdict: 'different',
    how: '`isFailure`, which returns the opposite.',
    convert: (value, source) => [`isFailure: (error) => !(${source.textOf(value)})(error)`],
  },
  abortController: { verdict: 'none', how: 'The function gets a signal, which a timeout aborts.' },
  autoRenewAbortController: { verdict: 'none', how: 'Each call has a signal of its own.' },
  capacity: { verdict: 'none', how: 'Use `ConcurrencyLimiter`, or `rateLimit` with `concurrency`.' },
  cache: { verdict: 'none', how: 'Use `getOrSet` of `MultiLayerCacheManager`.' },
  cacheTTL: { verdict: 'none', how: 'See `cache`.' },
  cacheGetKey: { verdict: 'none', how: 'See `cache`.' },
  cacheTransport: { verdict: 'none', how: 'See `cache`.' },
  coalesce: { verdict: 'none', how: 'Use `RequestDeduplicator`.' },
  coalesceTTL: { verdict: 'none', how: 'See `coalesce`.' },
  coalesceResetOn: { verdict: 'none', how: 'See `coalesce`.' },
  coalesceSize: { verdict: 'none', how: 'See `coalesce`.' },
  allowWarmUp: { verdict: 'none', how: '`errorRate.minimum` calls are needed in any case.' },
  enabled: { verdict: 'none', how: 'Leave the breaker out.' },
  enableSnapshots: { verdict: 'none', how: 'The statistics are counters, which `getStats()` reads.' },
  rotateBucketController: { verdict: 'none', how: 'A breaker has no timer.' },
  group: { verdict: 'none', how: 'Names of metrics are labels.' },
  state: { verdict: 'none', how: 'A new breaker is closed.' },
};

const METHODS: Rows = {
  fire: { verdict: 'different', how: '`execute(() => fn(…))`.' },
  call: { verdict: 'different', how: '`execute(() => fn.call(that, …))`.' },
  fallback: { verdict: 'different', how: 'The option `fallback`, which gets the error alone.' },
  on: { verdict: 'different', how: 'The same events, but a listener gets the latency or the error, not the result.' },
  stats: { verdict: 'different', how: '`getStats()`.' },
  opened: { verdict: 'different', how: '`state === "open"`.' },
  closed: { verdict: 'different', how: '`state === "closed"`.' },
  halfOpen: { verdict: 'different', how: '`state === "half-open"`.' },
  shutdown: { verdict: 'none', how: 'A breaker has nothing to close.' },
  healthCheck: { verdict: 'none', how: 'Use `HealthMonitor`.' },
  open: { verdict: 'none', how: 'A circuit opens by what it counts.' },
  close: { verdict: 'none', how: 'A circuit closes by its probes.' },
  enable: { verdict: 'none', how: 'See `enabled`.' },
  disable: { verdict: 'none', how: 'See `enabled`.' },
  clearCache: { verdict: 'none', how: 'See `cache`.' },
};

const EVENTS = ['success', 'failure', 'timeout', 'reject', 'fallback', 'open', 'halfOpen', 'close'];

const STATES: Readonly<Record<string, string>> = {
  opened: "state === 'open'",
  closed: "state === 'closed'",
  halfOpen: "state === 'half-open'",
};

/** opossum opens at a share of errors in any case: 50 % of ten seconds unless set otherwise. */
function errorRateOf(source: Source, values: Values): string {
  const percentage = values.get('errorThresholdPercentage');
  const share = percentage === undefined ? 50 : source.numberOf(percentage);
  const threshold = share === undefined ? `${source.textOf(percentage!)} / 100` : String(share / 100);
  const window = values.get('rollingCountTimeout');
  const minimum = values.get('volumeThreshold');
  const parts = [`threshold: ${threshold}`, `window: ${window === undefined ? 10_000 : source.textOf(window)}`];
  return `errorRate: { ${[...parts, `minimum: ${minimum === undefined ? 1 : source.textOf(minimum)}`].join(', ')} }`;
}

/** `breaker.fallback(() => …)`, a statement of its own, with a function that ignores its arguments. */
function fallbackOf(source: Source, holder: string | undefined): readonly string[] {
  const { ts } = source;
  for (const { call, method, holder: of } of source.methodCalls(new Set([holder ?? '']))) {
    const [given] = call.arguments;
    if (method !== 'fallback' || of !== holder || given === undefined || !ts.isExpressionStatement(call.parent))
      continue;
    if (!ts.isArrowFunction(given) || given.parameters.length > 0) continue;
    source.remove(call.parent);
    return [`fallback: ${source.textOf(given)}`];
  }
  return [];
}

function rewriteMethod(source: Source, { call, holder, method }: MethodCall, action: Expression | undefined): void {
  const { ts } = source;
  const argumentsText = call.arguments.map((one) => source.textOf(one)).join(', ');
  if (method === 'fire' && action !== undefined) {
    const text = source.textOf(action);
    const callee = ts.isIdentifier(action) || ts.isPropertyAccessExpression(action) ? text : `(${text})`;
    source.replace(call, `${holder}.execute(() => ${callee}(${argumentsText}))`);
    return;
  }
  if (method === 'on') {
    const [event] = call.arguments;
    const name = event !== undefined && ts.isStringLiteral(event) ? event.text : '';
    const isKnown = EVENTS.includes(name);
    if (!isKnown && ts.isExpressionStatement(call.parent)) source.remove(call.parent);
    source.note(
      call,
      `on('${name}'): ${isKnown ? 'the listener gets the latency or the error' : 'removed, there is no such event'}`,
    );
    return;
  }
  const row = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (row !== undefined && method !== 'fallback') source.note(call, `${method}(): ${row.how ?? ''}`);
  else if (method === 'fallback' && !isRemoved(source, call))
    source.note(call, `fallback(): ${METHODS['fallback']!.how}`);
}

function isRemoved({ ts }: Source, call: CallExpression): boolean {
  const [given] = call.arguments;
  return (
    given !== undefined &&
    ts.isArrowFunction(given) &&
    given.parameters.length === 0 &&
    ts.isExpressionStatement(call.parent)
  );
}

function rewriteProperties(source: Source, holders: ReadonlySet<string>): void {
  const { ts } = source;
  for (const access of source.all(ts.isPropertyAccessExpression)) {
    if (!holders.has(source.textOf(access.expression))) continue;
    const { text: name } = access.name;
    const state = Object.hasOwn(STATES, name) ? STATES[name] : undefined;
    if (state !== undefined) source.replace(access, `(${source.textOf(access.expression)}.${state})`);
    else if (name === 'stats') source.replace(access, `${source.textOf(access.expression)}.getStats()`);
  }
}

export const opossum: Migration = {
  peer: 'opossum',
  tables: { 'new CircuitBreaker(fn, options)': OPTIONS, 'Methods and properties': METHODS },
  exports: { default: 'CircuitBreaker' },
  rewrite(source, locals, use) {
    const actions = new Map<string, Expression>();
    for (const made of source.callsOf(locals.of('default'))) {
      const [action, given] = made.arguments ?? [];
      const object = source.objectOf(given);
      if (given !== undefined && object === undefined)
        source.note(given, 'the options are not written here: convert them by hand');
      const holder = source.holderOf(made);
      if (holder !== undefined && action !== undefined) actions.set(holder, action);
      const { properties, values } = convertOptions(source, object, OPTIONS, [
        'errorThresholdPercentage',
        'volumeThreshold',
        'rollingCountTimeout',
      ]);
      const all = [...properties, errorRateOf(source, values), ...fallbackOf(source, holder)];
      if (!values.has('timeout')) all.push('timeout: 10_000');
      source.replace(made, `new ${source.calleeOf(made, 'CircuitBreaker', use)}(${objectText(all)})`);
    }
    const holders = new Set(actions.keys());
    for (const method of source.methodCalls(holders)) rewriteMethod(source, method, actions.get(method.holder));
    rewriteProperties(source, holders);
  },
};
