/** express-rate-limit 6 to 8 → `rateLimit`. */
import type { Expression } from 'typescript';
import { convertOptions, objectText, property, type Rows, type Values } from '../options.js';
import type { Migration } from '../migration.js';
import type { Source } from '../source.js';

const DEFAULT_WINDOW = 60_000;
const DEFAULT_LIMIT = 5;

const refund =
  (value: string) =>
  (given: Expression, source: Source): readonly string[] | undefined => {
    const text = source.textOf(given);
    if (text === 'true') return [`refund: '${value}'`];
    return text === 'false' ? [] : undefined;
  };

const ROWS: Rows = {
  windowMs: {
    verdict: 'different',
    how: 'The window is `rateLimit` ÷ `refillRate` seconds, with `algorithm: "fixed-window"`.',
  },
  limit: { verdict: 'different', how: 'A number is `rateLimit`. A function becomes `limits: (key, req) => …`.' },
  max: { verdict: 'different', how: 'The former name of `limit`.' },
  message: {
    verdict: 'none',
    how: 'Rejections are problem documents, pages or text. Answer otherwise in `onLimited`.',
  },
  statusCode: { verdict: 'none', how: 'Rejections are 429. Answer otherwise in `onLimited`.' },
  handler: {
    verdict: 'different',
    how: '`onLimited: (limited, req, res) => …` has no `next` and no options; `handler: "next"` passes the error on.',
    convert: (value, source) => {
      const { ts } = source;
      const isShort = (ts.isArrowFunction(value) || ts.isFunctionExpression(value)) && value.parameters.length <= 2;
      return isShort ? [`onLimited: (_limited, req, res) => (${source.textOf(value)})(req, res)`] : undefined;
    },
  },
  legacyHeaders: { verdict: 'different', how: '`headers: "legacy"`, or `"both"`.' },
  standardHeaders: { verdict: 'different', how: '`headers: "draft"`, `"draft-7"` or `"draft-6"`.' },
  identifier: { verdict: 'same', as: 'name' },
  keyGenerator: { verdict: 'same', as: 'key' },
  ipv6Subnet: { verdict: 'same', as: 'ipv6Prefix' },
  requestPropertyName: { verdict: 'none', how: '`limit.of(req)` of the middleware returns the state of a request.' },
  requestWasSuccessful: { verdict: 'different', how: '`refund: (req, res) => …` returns whether the tokens go back.' },
  skip: { verdict: 'same' },
  skipFailedRequests: { verdict: 'different', how: '`refund: "failed"`.', convert: refund('failed') },
  skipSuccessfulRequests: { verdict: 'different', how: '`refund: "successful"`.', convert: refund('successful') },
  passOnStoreError: {
    verdict: 'different',
    how: '`onStoreError: "allow"`. The default `"local"` limits in this process while the store is unavailable.',
    convert: (value, source) =>
      source.textOf(value) === 'true' ? ["onStoreError: 'allow'"] : ["onStoreError: 'deny'"],
  },
  store: {
    verdict: 'different',
    how: '`ExpressRateLimitStore` takes it as it is; `RedisStore` needs fewer round trips.',
  },
  validate: { verdict: 'same', as: 'warnings', how: 'Only `false` and `true`; the names of the checks differ.' },
};

/** The limit and its window, which make one rate. */
function* rateOf(source: Source, values: Values): Generator<string> {
  const limit = values.get('limit') ?? values.get('max');
  const window = values.get('windowMs');
  const isFunction = limit !== undefined && (source.ts.isArrowFunction(limit) || source.ts.isFunctionExpression(limit));
  if (isFunction) source.note(limit, `limit: convert by hand. ${ROWS['limit']!.how}`);
  const size = limit === undefined || isFunction ? String(DEFAULT_LIMIT) : source.textOf(limit);
  const milliseconds = window === undefined ? DEFAULT_WINDOW : source.numberOf(window);
  yield `rateLimit: ${size}`;
  yield milliseconds === undefined
    ? `refillRate: ${size} / (${source.textOf(window!)} / 1000)`
    : `refillRate: ${size} / ${milliseconds / 1000}`;
  yield "algorithm: 'fixed-window'";
}

/** The fields of both kinds; express-rate-limit sends the legacy ones by default. */
function headersOf(source: Source, values: Values): string {
  const text = (name: string, otherwise: string) => {
    const value = values.get(name);
    return value === undefined ? otherwise : source.textOf(value).replaceAll(/['"`]/g, '');
  };
  const standard = text('standardHeaders', 'false');
  const isLegacy = text('legacyHeaders', 'true') !== 'false';
  if (standard === 'false') return isLegacy ? 'legacy' : 'none';
  if (isLegacy) return 'both';
  return standard === 'true' ? 'draft-6' : standard === 'draft-8' ? 'draft' : standard;
}

export const expressRateLimit: Migration = {
  peer: 'express-rate-limit',
  tables: { 'rateLimit(options)': ROWS },
  exports: { default: 'rateLimit', rateLimit: 'rateLimit' },
  rewrite(source, locals, use) {
    for (const call of source.callsOf(locals.of('rateLimit'))) {
      const [argument] = call.arguments ?? [];
      const object = source.objectOf(argument);
      if (argument !== undefined && object === undefined) {
        source.note(call, `the options ${source.textOf(argument)} are not written here: convert them by hand`);
        continue;
      }
      const together = ['windowMs', 'limit', 'max', 'standardHeaders', 'legacyHeaders', 'store'];
      const { properties, values } = convertOptions(source, object, ROWS, together);
      const all = [...rateOf(source, values), `headers: '${headersOf(source, values)}'`, ...properties];
      const store = values.get('store');
      if (store !== undefined) {
        const window = values.get('windowMs');
        const windowMs = window === undefined ? `windowMs: ${DEFAULT_WINDOW}` : property(source, 'windowMs', window);
        all.push(`store: new ${use('ExpressRateLimitStore')}({ ${property(source, 'store', store)}, ${windowMs} })`);
      }
      source.replace(call, `${source.calleeOf(call, 'rateLimit', use)}(${objectText(all)})`);
    }
  },
};
