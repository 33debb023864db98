/** rate-limiter-flexible 2 to 7 → `RateLimiter`. */
import { convertOptions, objectText, property, type Rows, type Values } from '../options.js';
import type { Migration, Use } from '../migration.js';
import type { Source } from '../source.js';

const OPTIONS: Rows = {
  points: { verdict: 'different', how: '`rateLimit`.' },
  duration: {
    verdict: 'different',
    how: 'Seconds; the window is `rateLimit` ÷ `refillRate`, with `algorithm: "fixed-window"`.',
  },
  keyPrefix: { verdict: 'same', as: 'name' },
  storeClient: { verdict: 'different', how: '`store: new RedisStore({ client })`, or `PostgresStore`.' },
  timeoutMs: { verdict: 'different', how: 'Of `RateLimiterCluster`: `timeout` of `ClusterStore`, by default 100 ms.' },
  storeType: { verdict: 'none', how: 'The store knows its client.' },
  useRedisPackage: { verdict: 'none', how: 'Clients of ioredis, node-redis and iovalkey are recognized.' },
  useRedis3AndLowerPackage: { verdict: 'none', how: 'Use a current client.' },
  rejectIfRedisNotReady: {
    verdict: 'none',
    how: 'A store that does not answer within 20 ms is unavailable: see `onStoreError`.',
  },
  insuranceLimiter: { verdict: 'none', how: '`onStoreError: "local"`, the default, limits in this process meanwhile.' },
  execEvenly: { verdict: 'none', how: 'Token buckets refill evenly; `acquire` waits fairly.' },
  execEvenlyMinDelayMs: { verdict: 'none', how: 'See `execEvenly`.' },
  blockDuration: { verdict: 'none', how: 'A refusal is not charged, so a block would save nothing.' },
  inMemoryBlockOnConsumed: { verdict: 'none', how: 'See `blockDuration`.' },
  inMemoryBlockDuration: { verdict: 'none', how: 'See `blockDuration`.' },
  customIncrTtlLuaScript: { verdict: 'none', how: 'One script does all of it.' },
  tableName: { verdict: 'none', how: 'The option `table` of `PostgresStore`.' },
  tableCreated: { verdict: 'none', how: '`PostgresStore` creates its table.' },
  dbName: { verdict: 'none', how: 'The client has its database.' },
  clearExpiredByTimeout: { verdict: 'none', how: 'Stores remove what has expired.' },
};

const METHODS: Rows = {
  consume: {
    verdict: 'different',
    how: '`acquire(key, points)`, whose rejection is a `ResilienceError` with `retryAfter`.',
  },
  get: { verdict: 'different', how: '`remaining(key)` returns the tokens that are left.' },
  delete: { verdict: 'same', as: 'resetBucket' },
  penalty: { verdict: 'none', how: '`getBucket(key).tokens` can be set, in memory.' },
  reward: { verdict: 'none', how: '`getBucket(key).tokens` can be set, in memory.' },
  set: { verdict: 'none', how: '`setLimit(key, limit, refillRate)` gives a client a limit of its own.' },
  block: { verdict: 'none', how: '`setLimit(key, 0, 0)` refuses a client until `unsetLimit(key)`.' },
  getKey: { verdict: 'none', how: 'Keys are those that you pass.' },
};

/** A store: the entry that exports it, and its options by those of the limiter. */
interface Store {
  readonly name: string;
  readonly entry: string;
  readonly options: Readonly<Record<string, string>>;
  /** The option without which there is no store. */
  readonly needs?: string;
}

const REDIS: Store = { name: 'RedisStore', entry: 'redis', options: { storeClient: 'client' }, needs: 'storeClient' };
const POSTGRES: Store = {
  name: 'PostgresStore',
  entry: 'postgres',
  options: { storeClient: 'pool' },
  needs: 'storeClient',
};
const CLUSTER: Store = { name: 'ClusterStore', entry: '', options: { timeoutMs: 'timeout' } };

/** The classes with a counterpart, and the store that each needs. */
const CLASSES: Readonly<Record<string, Store | undefined>> = {
  RateLimiterMemory: undefined,
  RateLimiterRedis: REDIS,
  RateLimiterPostgres: POSTGRES,
  RateLimiterCluster: CLUSTER,
};

/** What the primary process has: no options, because each limiter of a worker brings its own. */
const MASTER = 'RateLimiterClusterMaster';
/** The options that `limitOf` and `storeOf` convert. */
const CONVERTED = ['points', 'duration', 'storeClient', 'timeoutMs'];

function limitOf(source: Source, values: Values): string[] {
  const points = values.get('points');
  const duration = values.get('duration');
  const size = points === undefined ? '4' : source.textOf(points);
  const seconds = duration === undefined ? '1' : source.textOf(duration);
  const divisor = /^[\w.]+$/.test(seconds) ? seconds : `(${seconds})`;
  return [`rateLimit: ${size}`, `refillRate: ${size} / ${divisor}`, "algorithm: 'fixed-window'", 'maxWaitTime: 0'];
}

/** The property `store` of a limiter, if it has one. */
function storeOf(source: Source, store: Store | undefined, values: Values, use: Use): string[] {
  if (store === undefined || (store.needs !== undefined && !values.has(store.needs))) return [];
  const options = Object.entries(store.options).flatMap(([there, here]) => {
    const value = values.get(there);
    return value === undefined ? [] : [property(source, here, value)];
  });
  return [`store: new ${use(store.name, store.entry)}(${objectText(options)})`];
}

export const rateLimiterFlexible: Migration = {
  peer: 'rate-limiter-flexible',
  tables: { 'new RateLimiterMemory(options)': OPTIONS, Methods: METHODS },
  exports: Object.fromEntries([...Object.keys(CLASSES), MASTER].map((name) => [name, ''])),
  rewrite(source, locals, use) {
    const holders = new Set<string>();
    for (const [name, store] of Object.entries(CLASSES)) {
      for (const made of source.callsOf(locals.of(name))) {
        const [given] = made.arguments ?? [];
        const object = source.objectOf(given);
        if (object === undefined) {
          source.note(made, 'the options are not written here: convert them by hand');
          continue;
        }
        const { properties, values } = convertOptions(source, object, OPTIONS, CONVERTED);
        const all = [...limitOf(source, values), ...properties, ...storeOf(source, store, values, use)];
        const holder = source.holderOf(made);
        if (holder !== undefined) holders.add(holder);
        source.replace(made, `new ${use('RateLimiter')}(${objectText(all)})`);
      }
    }
    for (const made of source.callsOf(locals.of(MASTER))) source.replace(made, `new ${use(CLUSTER.name)}()`);
    for (const { call, method } of source.methodCalls(holders)) {
      const { name } = call.expression as unknown as { readonly name: Parameters<Source['replace']>[0] };
      const row = Object.hasOwn(METHODS, method) ? METHODS[method]! : undefined;
      if (method === 'consume') source.replace(name, 'acquire');
      else if (row?.verdict === 'same') source.replace(name, row.as ?? method);
      if (row !== undefined && row.verdict !== 'same') source.note(call, `${method}(): ${row.how}`);
    }
  },
};
