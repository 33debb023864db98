/** What the engines count, as Prometheus wants it: read off the engines themselves, so that neither can drift. */
import {
  cacheMetrics,
  cacheResponse,
  ConcurrencyLimiter,
  concurrencyMetrics,
  ConnectionPool,
  coordinationMetrics,
  createMetrics,
  DistributedCacheCoordinator,
  InstanceLoad,
  IntelligentRouter,
  loadMetrics,
  MultiLayerCacheManager,
  poolMetrics,
  QueryOptimizer,
  queryMetrics,
  RateLimiter,
  rateLimiterMetrics,
  responseMetrics,
  routingMetrics,
  type ExposedMetric,
} from '../../src/index.js';
import { checkMetrics, describeWithPromtool, NO_OBJECTION } from '../support/promtool.js';

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** The value of a sample, by name and labels. */
function valueOf(metrics: readonly ExposedMetric[], name: string, labels: object = {}): number | undefined {
  const samples = metrics.find((one) => one.name === name)?.samples ?? [];
  return samples.find((sample) => JSON.stringify(sample.labels ?? {}) === JSON.stringify(labels))?.value;
}

async function busyPool(): Promise<{ pool: ConnectionPool; optimizer: QueryOptimizer }> {
  const pool = new ConnectionPool({ minConnections: 1, maxConnections: 2 });
  const optimizer = new QueryOptimizer({ pool });
  closing.push(
    () => pool.drain(),
    () => optimizer.close(),
  );
  await pool.initialize();
  await optimizer.query('SELECT 1');
  await optimizer.query('SELECT nothing').catch(() => undefined);
  return { pool, optimizer };
}

async function usedCache(): Promise<MultiLayerCacheManager> {
  const cache = new MultiLayerCacheManager({ disk: { dbPath: ':memory:' } });
  closing.push(() => cache.destroy());
  await cache.set('a', 1);
  await cache.get('a');
  cache.memory.clear();
  await cache.get('a');
  await cache.get('b');
  return cache;
}

test('a pool and its queries', async () => {
  const { pool, optimizer } = await busyPool();
  const borrowed = await pool.acquire();
  const metrics = poolMetrics(pool.getStats());
  expect(valueOf(metrics, 'tooloo_pool_connections', { state: 'borrowed' })).toBe(1);
  expect(valueOf(metrics, 'tooloo_pool_utilization_ratio')).toBe(0.5);
  expect(valueOf(metrics, 'tooloo_pool_acquired_total')).toBe(3);
  borrowed.release();
  const queries = queryMetrics(optimizer.getStats());
  expect(valueOf(queries, 'tooloo_queries_total')).toBe(2);
  expect(valueOf(queries, 'tooloo_query_errors_total')).toBe(1);
  expect(valueOf(queries, 'tooloo_query_seconds_total')).toBeGreaterThan(0);
});

test('a cache, by its layers', async () => {
  const metrics = cacheMetrics((await usedCache()).getStats());
  expect(valueOf(metrics, 'tooloo_cache_hits_total', { layer: 'memory' })).toBe(1);
  expect(valueOf(metrics, 'tooloo_cache_hits_total', { layer: 'disk' })).toBe(1);
  expect(valueOf(metrics, 'tooloo_cache_misses_total')).toBe(1);
  expect(valueOf(metrics, 'tooloo_cache_entries', { layer: 'disk' })).toBe(1);
});

test('a limiter', async () => {
  const limiter = new RateLimiter({ rateLimit: 1, refillRate: 0 });
  closing.push(() => limiter.close());
  limiter.isAllowed('a');
  limiter.isAllowed('a');
  const metrics = rateLimiterMetrics(limiter.getStats());
  expect(valueOf(metrics, 'tooloo_rate_limit_decisions_total', { decision: 'allowed' })).toBe(1);
  expect(valueOf(metrics, 'tooloo_rate_limit_decisions_total', { decision: 'denied' })).toBe(1);
  expect(valueOf(metrics, 'tooloo_rate_limit_store_up')).toBe(1);
});

test('a router, by upstream and instance', () => {
  const router = new IntelligentRouter();
  closing.push(() => router.close());
  router.addTarget('reports', 3008);
  router.addTarget('reports', 3018);
  const metrics = routingMetrics(router.getRoutingStats());
  const usable = metrics.find(({ name }) => name === 'tooloo_upstream_usable')!;
  expect(usable.samples).toEqual([
    { labels: { upstream: 'reports', instance: '127.0.0.1:3008' }, value: 1 },
    { labels: { upstream: 'reports', instance: '127.0.0.1:3018' }, value: 1 },
  ]);
});

test('what is not known is left out', () => {
  const load = new InstanceLoad();
  closing.push(() => load.close());
  const names = loadMetrics(load.read()).map(({ name }) => name);
  expect(names).toContain('tooloo_load_memory_ratio');
  expect(names).not.toContain('tooloo_load_p99_seconds');
});

/** Every engine's figures in one exposition. */
async function wholeExposition(): Promise<string> {
  const { pool, optimizer } = await busyPool();
  const cache = await usedCache();
  const responses = cacheResponse({ cache });
  const coordinator = new DistributedCacheCoordinator(cache, 'web', { secret: 'x' });
  coordinator.registerPeer('reports', '127.0.0.1', 9);
  const metrics = createMetrics({ serviceName: 'web' });
  closing.push(
    () => responses.close(),
    () => coordinator.destroy(),
    () => metrics.close(),
  );
  metrics.addSource('pool', () => poolMetrics(pool.getStats()));
  metrics.addSource('queries', () => queryMetrics(optimizer.getStats()));
  metrics.addSource('cache', () => cacheMetrics(cache.getStats()));
  metrics.addSource('responses', () => responseMetrics(responses.stats()));
  metrics.addSource('coordination', () => coordinationMetrics(coordinator.getCoordinationStatus()));
  return metrics.render();
}

test('all of them in one exposition', async () => {
  const text = await wholeExposition();
  expect(text).toMatch(/tooloo_coordination_peer_up\{name="\w+",peer="reports",service="web"\} 1/);
  expect(text).toMatch(/tooloo_response_cache_requests_total\{name="\w+",outcome="hit",service="web"\} 0/);
});

describeWithPromtool('promtool', () => {
  test('does not object to any of it', async () => {
    expect(checkMetrics(await wholeExposition())).toEqual(NO_OBJECTION);
  });
});

test('a concurrency limit reports its limits and the waiting and refused requests', async () => {
  const limiter = new ConcurrencyLimiter({ limit: 1 });
  closing.push(() => limiter.close());
  const release = await limiter.acquire('training');
  await expect(limiter.acquire('training')).rejects.toThrow();
  const metrics = concurrencyMetrics(limiter.getStats());
  const labels = { key: 'training' };
  expect(valueOf(metrics, 'tooloo_concurrency_limit', labels)).toBe(1);
  expect(valueOf(metrics, 'tooloo_concurrency_limit_in_flight', labels)).toBe(1);
  expect(valueOf(metrics, 'tooloo_concurrency_limit_waiting', labels)).toBe(0);
  expect(valueOf(metrics, 'tooloo_concurrency_limit_refused_total')).toBe(1);
  release();
});
