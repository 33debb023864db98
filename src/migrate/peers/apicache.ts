/** apicache 1 → `cacheResponse`. */
import type { CallExpression, Expression, NewExpression } from 'typescript';
import { objectText, type Rows } from '../options.js';
import type { Migration } from '../migration.js';
import type { Source } from '../source.js';

const MIDDLEWARE: Rows = {
  duration: {
    verdict: 'different',
    how: '`ttl`, in milliseconds, for responses that state no freshness of their own.',
  },
  toggle: {
    verdict: 'different',
    how: '`bypass: (req) => …`, which returns the opposite and does not see the response.',
  },
  localOptions: { verdict: 'different', how: 'Options of the one middleware.' },
};

const OPTIONS: Rows = {
  defaultDuration: { verdict: 'different', how: '`ttl` of each middleware.' },
  debug: { verdict: 'none', how: 'The `Cache-Status` field of each response says what the cache did.' },
  enabled: { verdict: 'none', how: 'Leave the middleware out, or use `bypass`.' },
  redisClient: { verdict: 'different', how: '`cache: new MultiLayerCacheManager({ redis })`.' },
  appendKey: { verdict: 'different', how: '`key`, or `vary` for a header field.' },
  headerBlacklist: { verdict: 'none', how: 'Fields that belong to one response are never stored (RFC 9111 §3.1).' },
  statusCodes: { verdict: 'none', how: 'The status and `Cache-Control` of a response decide (RFC 9111 §3).' },
  trackPerformance: { verdict: 'none', how: '`stats()` counts hits and misses.' },
  headers: { verdict: 'none', how: 'Set `Cache-Control` in the handler.' },
  respectCacheControl: {
    verdict: 'none',
    how: '`Cache-Control` is always respected; `clientDirectives` decides for requests.',
  },
};

const METHODS: Rows = {
  middleware: { verdict: 'different', how: '`cacheResponse({ ttl })`.' },
  options: { verdict: 'different', how: 'Options of each `cacheResponse`.' },
  clear: { verdict: 'different', how: '`purge(url)`, or `purgeTag(tag)` for a group.' },
  getIndex: { verdict: 'none', how: '`stats()` counts; keys are not listed.' },
  getPerformance: { verdict: 'none', how: '`stats()`.' },
  getDuration: { verdict: 'none', how: 'Durations are milliseconds.' },
  newInstance: { verdict: 'different', how: 'Each `cacheResponse` has a cache of its own, or the one in `cache`.' },
  clone: { verdict: 'none', how: 'See `newInstance`.' },
};

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
  month: 2_592_000_000,
};

/** `5 minutes` in milliseconds, as apicache reads it; undefined for what it would not understand. */
export function durationOf(text: string): number | undefined {
  const [, amount = '', unit = ''] = /^\s*([\d.,]+)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const size = UNITS[unit.toLowerCase()] ?? UNITS[unit.toLowerCase().replace(/s$/, '')];
  return amount === '' || size === undefined ? undefined : Number(amount.replace(',', '.')) * size;
}

function ttlOf(source: Source, given: Expression | undefined): readonly string[] {
  const { ts } = source;
  if (given === undefined) return ['ttl: 3_600_000']; // apicache's default, an hour
  const milliseconds = ts.isStringLiteralLike(given) ? durationOf(given.text) : undefined;
  if (milliseconds !== undefined) return [`ttl: ${milliseconds}`];
  const number = source.numberOf(given);
  if (number !== undefined) return [`ttl: ${source.textOf(given)}`];
  source.note(given, `duration: convert by hand. ${source.textOf(given)} has to be a number of milliseconds`);
  return [];
}

/** The toggle sees the response too, which is not there yet when a cached one is sent. */
function bypassOf(source: Source, given: Expression | undefined): readonly string[] {
  if (given === undefined || ['null', 'undefined'].includes(source.textOf(given))) return [];
  const { ts } = source;
  const usesResponse = ts.isArrowFunction(given) || ts.isFunctionExpression(given) ? given.parameters.length > 1 : true;
  if (!usesResponse) return [`bypass: (req) => !(${source.textOf(given)})(req)`];
  source.note(given, `toggle: convert by hand. ${MIDDLEWARE['toggle']!.how}`);
  return [];
}

/** The names that the middleware has: `apicache.middleware`, and variables that hold it. Their statements go. */
function namesOf(source: Source, packages: ReadonlySet<string>): Set<string> {
  const { ts } = source;
  const names = new Set([...packages].map((name) => `${name}.middleware`));
  for (const declaration of source.all(ts.isVariableDeclaration)) {
    const { initializer, name, parent } = declaration;
    const isAlone = ts.isVariableDeclarationList(parent) && parent.declarations.length === 1;
    if (initializer === undefined || !isAlone || !isMiddleware(source, initializer, packages)) continue;
    names.add(source.textOf(name));
    source.remove(parent.parent);
  }
  return names;
}

/** `apicache.middleware`, or `apicache.options({ … }).middleware`, whose options become notes. */
function isMiddleware(source: Source, expression: Expression, packages: ReadonlySet<string>): boolean {
  const { ts } = source;
  if (!ts.isPropertyAccessExpression(expression) || expression.name.text !== 'middleware') return false;
  const { expression: owner } = expression;
  if (packages.has(source.textOf(owner))) return true;
  if (!ts.isCallExpression(owner) || !ts.isPropertyAccessExpression(owner.expression)) return false;
  if (!packages.has(source.textOf(owner.expression.expression)) || owner.expression.name.text !== 'options')
    return false;
  return true;
}

function noteOptions(source: Source, call: CallExpression | NewExpression): void {
  for (const one of source.objectOf(call.arguments?.[0])?.properties ?? []) {
    const name = one.name === undefined ? '' : source.textOf(one.name);
    const row = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    source.note(one, `${name}: ${row?.how ?? 'unknown option'}`);
  }
}

export const apicache: Migration = {
  peer: 'apicache',
  tables: { 'middleware(duration, toggle, localOptions)': MIDDLEWARE, 'options(…)': OPTIONS, Methods: METHODS },
  exports: { default: '' },
  rewrite(source, locals, use) {
    const packages = locals.of('default');
    const names = namesOf(source, packages);
    for (const call of source.callsOf(names)) {
      const [duration, toggle, local] = call.arguments ?? [];
      if (local !== undefined) source.note(local, `localOptions: ${MIDDLEWARE['localOptions']!.how}`);
      const properties = [...ttlOf(source, duration), ...bypassOf(source, toggle)];
      source.replace(call, `${use('cacheResponse')}(${objectText(properties)})`);
    }
    for (const { call, method } of source.methodCalls(packages)) {
      const row = Object.hasOwn(METHODS, method) && method !== 'middleware' ? METHODS[method] : undefined;
      if (method === 'options') noteOptions(source, call);
      else if (row !== undefined) source.note(call, `${method}(): ${row.how ?? ''}`);
    }
    for (const access of source.all(source.ts.isPropertyAccessExpression)) {
      if (access.name.text === 'apicacheGroup')
        source.note(access, 'apicacheGroup: use `tags: (req) => […]` and `purgeTag(tag)`');
    }
  },
};
