/**
 * Warnings for what is legal but probably a mistake. Each has a code and a section of that name in docs/errors.md, and
 * is given once per place. They appear as Node's process warnings, so `process.on('warning')` and `--no-warnings` apply.
 */
import { isObject, type Check } from './options.js';

/**
 * The meaning of each code. docs/errors.md has a section per code; a test keeps the two lists equal.
 *
 * @example
 * import { WARNINGS } from '@tooloo/resilience';
 *
 * process.on('warning', (warning) => {
 *   const { code = '' } = warning as { code?: string };
 *   if (code in WARNINGS) console.warn(code, warning.message);
 * });
 */
export const WARNINGS = {
  TOOLOO_OPTION_RENAMED: 'An option is given by the name it had in an earlier version',
  TOOLOO_LISTENER_FAILED: 'A listener threw or rejected',
  TOOLOO_REQUEST_FAILED: 'A request failed with an unexpected error',
  TOOLOO_TARGET_IGNORED: 'A source names a target that is not valid',
  TOOLOO_KEEP_FAILED: "The option 'keep' of a tracer threw",
  TOOLOO_ENVIRONMENT_IGNORED: 'An environment variable has an invalid value and is ignored',
  TOOLOO_SPANS_REFUSED: 'A collector accepts no span',
  TOOLOO_LIVENESS_THREAD_FAILED: 'The thread of `livenessThread` does not answer',
  TOOLOO_CACHE_OPTION_FAILED: 'A callback of the response cache threw',
  TOOLOO_CACHE_FAILED: 'The response cache failed and was bypassed',
  TOOLOO_CACHE_LAYER_FAILED: 'A cache layer failed and is not used',
  TOOLOO_CACHE_FILE_DAMAGED: 'A cache file was damaged and has been replaced',
  TOOLOO_CONFLICT_RESOLVER_FAILED: 'A conflict resolver threw',
  TOOLOO_POOL_LEAK: 'A connection is borrowed for longer than expected',
  TOOLOO_POOL_SHORT_TIMEOUT: "A pool's acquire timeout is shorter than 250 ms",
  TOOLOO_HEALTH_OWN_ROUTE: 'The application has a route where a health endpoint would answer',
  TOOLOO_HEALTH_HOOK_FAILED: 'A hook of the shutdown threw, rejected or took too long',
  TOOLOO_LIMIT_TRUST_ALL: 'Every proxy is trusted, so clients choose their own address',
  TOOLOO_LIMIT_UNTRUSTED_FORWARDED: 'A forwarding header arrives, but no proxy is trusted',
  TOOLOO_LIMIT_NO_ADDRESS: 'A request has no client address',
  TOOLOO_LIMIT_IPV6_KEY: 'A key is a whole IPv6 address',
  TOOLOO_LIMIT_IPV6_PREFIX: 'The IPv6 prefix is outside of the sensible range',
  TOOLOO_LIMIT_IN_HANDLER: 'A limiter is created while a request is handled',
  TOOLOO_LIMIT_MOUNTED_TWICE: 'A request passed the same limiter twice',
  TOOLOO_LIMIT_SHARED_NAME: 'Two limiters share buckets under the default name',
  TOOLOO_LIMIT_QUOTA_DIFFERS: 'Processes use different limits of one name on one store',
  TOOLOO_LIMIT_STORE_FAILED: 'A rate limit store is unavailable',
  TOOLOO_LIMIT_STORE_MISUSED: 'A rate limit store rejects commands because of a configuration error',
  TOOLOO_LIMIT_EVICTIONS: 'A limiter gives up buckets that were still in use',
  TOOLOO_LIMIT_CALLBACK_FAILED: "The option 'onLimited' or 'refund' threw or rejected",
} as const satisfies Record<string, string>;

/** Code of a warning, as `process.on('warning')` receives it in `warning.code`. */
export type WarningCode = keyof typeof WARNINGS;

/** `false` emits no warning; an object silences single codes: `{ TOOLOO_LIMIT_TRUST_ALL: false }`. Default true. */
export type WarningsOption = boolean | Readonly<Partial<Record<WarningCode, boolean>>>;

/** Check of an option of the type `WarningsOption`. */
export const warningsCheck: Check = {
  expected: 'a boolean, or an object of booleans by warning code',
  type: (value) =>
    typeof value === 'boolean' ||
    (isObject(value) && Object.values(value).every((one) => one === undefined || typeof one === 'boolean')),
  range: (value: object | boolean) =>
    typeof value === 'boolean' || Object.keys(value).every((code) => Object.hasOwn(WARNINGS, code)),
};

// On the global object, because the CommonJS and the ES module build of this package may meet in one process.
const KEY = Symbol.for('@tooloo/resilience:warnings');
const holder = globalThis as { [KEY]?: Set<string> };
const given = (holder[KEY] ??= new Set());

/**
 * The most texts remembered. They name options and places, never a request, so a process stays far below this number.
 */
const MOST = 10_000;

/**
 * Emits a warning, unless its code is silenced or the same text was emitted before.
 *
 * @param place the part that warns, e.g. `rateLimit 'login'`: the beginning of the message, which is emitted once for
 * it
 * @param message the problem and what to change; never holds data of a request
 * @param setting the user's `warnings` option
 */
export function warnOnce(code: WarningCode, place: string, message: string, setting: WarningsOption = true): void {
  if (!isWanted(code, setting)) return;
  const text = `${place}: ${message}`;
  const id = `${code}\n${text}`;
  if (given.has(id) || given.size >= MOST) return;
  given.add(id);
  warn(code, text);
}

/** Emits a warning every time: for events that each matter, such as a failed request. */
export function warn(code: WarningCode, text: string): void {
  process.emitWarning(text, { code, detail: `See ${warningPage(code)}` });
}

/** Whether the user's `warnings` option leaves this code on. */
export function isWanted(code: WarningCode, setting: WarningsOption = true): boolean {
  return typeof setting === 'boolean' ? setting : setting[code] !== false;
}

/** The page in the documentation of the package that explains a code. */
export function warningPage(code: WarningCode): string {
  return `docs/errors.md#${code.toLowerCase()}`;
}
