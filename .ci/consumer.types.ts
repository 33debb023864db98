// What the compiler must tell a user: types that follow from what was given, and mistakes that must not compile.
import type { RequestListener } from 'node:http';
import {
  cacheResponse,
  compose,
  ConnectionPool,
  MemoryCacheLayer,
  MultiLayerCacheManager,
  proxyBalanced,
  rateLimit,
  RateLimiter,
  ResilienceError,
  sqliteConnections,
  trace,
  type AlgorithmName,
  type ErrorCode,
  type RateLimitStore,
} from '@tooloo/resilience';
import { postgresConnections, type PostgresConnection } from '@tooloo/resilience/postgres';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(): T | undefined => undefined;

// What is given decides what comes back.
const pool = new ConnectionPool({ factory: postgresConnections('postgres://127.0.0.1/shop') });
same<Equal<typeof pool, ConnectionPool<PostgresConnection>>>();
const names = pool.use(async (connection) => (await connection.query<{ name: string }>('SELECT name')).rows);
same<Equal<typeof names, Promise<{ name: string }[]>>>();
const cache = new MultiLayerCacheManager({});
const loaded = cache.getOrSet('stock', () => Promise.resolve({ pairs: 3 }));
same<Equal<Awaited<typeof loaded>, { pairs: number }>>();
const allowed = new RateLimiter({ rateLimit: 1, refillRate: 1 }).isAllowed('ada');
same<Equal<typeof allowed, boolean>>();
const listener: RequestListener = compose(trace(), rateLimit(), cacheResponse());
const code: ErrorCode = new ResilienceError('CIRCUIT_OPEN', 'reports').code;

// What is left out or undefined is the default, under exactOptionalPropertyTypes as well.
const maybe = process.env['LIMIT'] === undefined ? {} : { rateLimit: Number(process.env['LIMIT']) };
rateLimit(maybe);

// Mistakes.
// @ts-expect-error an option that does not exist
rateLimit({ ratelimit: 10 });
// @ts-expect-error a number as text
rateLimit({ rateLimit: '10' });
// @ts-expect-error nowhere to forward to
proxyBalanced();
// @ts-expect-error an algorithm that does not exist
const algorithm: AlgorithmName = 'random';
// @ts-expect-error a code that is not in the registry
new ResilienceError('TOO_LATE', 'reports');
// @ts-expect-error a path is text
sqliteConnections(5);
// @ts-expect-error a store lacks its methods
const store: RateLimitStore = {};
// @ts-expect-error options cannot be changed once given
new RateLimiter({ rateLimit: 1, refillRate: 1 }).getStats().totalRequests = 0;
// @ts-expect-error a layer needs numbers for its sizes
new MemoryCacheLayer({ maxSize: 'large' });

export { algorithm, code, listener, store };
