/** The registry of `createMetrics` behaves as prom-client's own, before and after prom-client is loaded. */
import { Counter, Gauge, Registry, type OpenMetricsContentType } from 'prom-client';
import { LazyRegistry } from '../../src/tracing/lazy-registry.js';

/** prom-client's own, in the format in which it accepts exemplars. */
function theirRegistry(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

function fill(registry: Registry<OpenMetricsContentType>): Counter {
  const counter = new Counter({ name: 'sales_total', help: 'Sales', labelNames: ['shop'], registers: [registry] });
  counter.inc({ shop: 'ulm' }, 3);
  new Gauge({ name: 'stock', help: 'Pairs', registers: [registry] }).set(7);
  return counter;
}

test('formats, lists and finds the same', async () => {
  const [own, theirs] = [new LazyRegistry(), theirRegistry()];
  for (const registry of [own, theirs]) {
    fill(registry);
    registry.setDefaultLabels({ zone: 'a' });
  }
  expect(await own.metrics()).toBe(await theirs.metrics());
  expect(await own.getSingleMetricAsString('stock')).toBe(await theirs.getSingleMetricAsString('stock'));
  expect(await own.getMetricsAsJSON()).toEqual(await theirs.getMetricsAsJSON());
  expect(own.getMetricsAsArray().map(({ name }) => name)).toEqual(theirs.getMetricsAsArray().map(({ name }) => name));
  own.resetMetrics();
  expect(await own.metrics()).toContain('stock{zone="a"} 0');
  own.removeSingleMetric('stock');
  expect(own.getSingleMetric('stock')).toBeUndefined();
  own.clear();
  expect(own.getMetricsAsArray()).toEqual([]);
});

test('refuses a second metric of one name, and an unknown content type', () => {
  const registry = new LazyRegistry();
  const counter = fill(registry);
  expect(() => fill(registry)).toThrow(/already been registered/);
  registry.registerMetric(counter);
  expect(() => registry.setContentType('text/html' as never)).toThrow(TypeError);
});

test('writes OpenMetrics', async () => {
  const registry = new LazyRegistry();
  fill(registry);
  expect(await registry.metrics()).toMatch(/# EOF\n$/);
});
