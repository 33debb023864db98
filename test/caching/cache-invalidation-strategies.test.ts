/** Dependencies, events, batches and broadcasts. */
import fc from '../support/fast-check.js';
import { CacheInvalidationStrategies } from '../../src/caching/cache-invalidation-strategies.js';
import { DependencyGraph } from '../../src/caching/dependency-graph.js';
import { compilePattern } from '../../src/caching/key-pattern.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';

let cache: MultiLayerCacheManager;
let strategies: CacheInvalidationStrategies;

beforeEach(() => {
  cache = new MultiLayerCacheManager();
  strategies = new CacheInvalidationStrategies(cache);
});
afterEach(() => cache.destroy());

async function fill(...keys: string[]): Promise<void> {
  for (const key of keys) await cache.set(key, 1);
}

async function left(...keys: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const key of keys) if (await cache.has(key)) found.push(key);
  return found;
}

test('invalidating a key also invalidates its dependents, and returns their keys', async () => {
  strategies.registerDependency('b', 'a');
  strategies.registerDependency('c', ['b', 'x']);
  strategies.registerDependency('a', 'c'); // a circle
  await fill('a', 'b', 'c', 'd');
  expect((await strategies.invalidateWithDependents('a')).sort()).toEqual(['a', 'b', 'c']);
  expect(await left('a', 'b', 'c', 'd')).toEqual(['d']);
});

test('wildcards on both sides', async () => {
  strategies.registerDependency('ratelimit:user:*', 'user:*');
  await fill('user:1', 'ratelimit:user:1', 'ratelimit:user:2', 'ratelimit:ip:1');
  await strategies.invalidateWithDependents('user:1');
  expect(await left('user:1', 'ratelimit:user:1', 'ratelimit:user:2', 'ratelimit:ip:1')).toEqual(['ratelimit:ip:1']);
});

test('events invalidate what is mapped to them', async () => {
  strategies.registerEventMapping('user:*', 'userCount:*');
  strategies.registerEventMapping('user:deleted', 'session:*');
  strategies.registerEventMapping('user:deleted', 'userCount:*');
  await fill('userCount:all', 'userCount:new', 'session:1', 'other');
  expect(await strategies.emit('user:created')).toBe(2);
  expect(await left('userCount:all', 'session:1', 'other')).toEqual(['session:1', 'other']);
  expect(await strategies.emit('user:deleted')).toBe(1);
  expect(await strategies.emit('nothing')).toBe(0);
});

test('a batch counts the keys it was given', async () => {
  await fill('a', 'b', 'c');
  expect(await strategies.batchInvalidate(['a', 'b', 'not there', 'a'])).toBe(3);
  expect(await left('a', 'b', 'c')).toEqual(['c']);
  expect(await strategies.batchInvalidate([])).toBe(0);
});

test('a broadcast goes out once, and not if it came from elsewhere', async () => {
  const coordinator = { serviceId: 'web', publishInvalidation: jest.fn(async () => undefined) };
  const broadcasting = new CacheInvalidationStrategies(cache, { coordinator });
  await fill('a', 'b');
  expect(await broadcasting.broadcastInvalidation('a', 'web')).toEqual(['a']);
  expect(coordinator.publishInvalidation.mock.calls).toEqual([['a']]);
  await broadcasting.broadcastInvalidation('b', 'budget');
  expect(coordinator.publishInvalidation).toHaveBeenCalledTimes(1);
  expect(await left('a', 'b')).toEqual([]);
  expect(await strategies.broadcastInvalidation('c', 'web')).toEqual(['c']); // without a coordinator: here only
});

test('listeners hear of it', async () => {
  const heard = jest.fn();
  const end = strategies.setInvalidationListener('user:*', heard);
  await strategies.batchInvalidate(['user:1', 'post:1']);
  end();
  await strategies.batchInvalidate(['user:2']);
  expect(heard.mock.calls).toEqual([['user:1']]);
});

describe('analysis', () => {
  test('reports the dependents of a key, the depth of the graph and its cycles', () => {
    strategies.registerDependency('b', 'a');
    strategies.registerDependency('c', 'b');
    strategies.registerDependency('d', 'a');
    strategies.registerDependency('a', 'c');
    const analysis = strategies.analyzeDependencies('a');
    expect([...analysis.directlyDependents].sort()).toEqual(['b', 'd']);
    expect([...analysis.transitiveDependents].sort()).toEqual(['b', 'c', 'd']);
    expect(analysis.depth).toBe(2);
    expect(analysis.cycles).toEqual([['a', 'b', 'c', 'a']]);
  });

  test('of a key without dependents is empty', () => {
    expect(strategies.analyzeDependencies('a')).toEqual({
      directlyDependents: [],
      transitiveDependents: [],
      depth: 0,
      cycles: [],
    });
  });

  test('ends on chains longer than the call stack, and on a dense graph', () => {
    for (let i = 0; i < 30_000; i++) strategies.registerDependency(`k${i + 1}`, `k${i}`);
    expect(strategies.analyzeDependencies('k0').depth).toBe(30_000);
    const dense = new DependencyGraph();
    for (let i = 0; i < 40; i++) for (let j = 0; j < 40; j++) dense.add(`n${i}`, `n${j}`);
    expect(dense.analyze('n0').cycles.length).toBeLessThanOrEqual(100);
    expect(dense.closure(compilePattern('n0'))).toHaveLength(40);
  });

  test('the number of dependencies is bounded', () => {
    const graph = new DependencyGraph();
    for (let i = 0; i < 100_000; i++) graph.add(`a${i}`, 'b');
    graph.add('a0', 'b'); // known: no new one
    expect(() => graph.add('one more', 'b')).toThrow(RangeError);
    expect(graph.remove('a1', 'b')).toBe(true);
    graph.add('one more', 'b');
  });

  test('on any graph, the transitive dependents are all keys reachable along its edges', () => {
    const name = fc.integer({ min: 0, max: 9 }).map(String);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name), { maxLength: 40 }), name, (edges, start) => {
        const graph = new DependencyGraph();
        for (const [dependent, on] of edges) graph.add(dependent, on);
        const expected = new Set([start]);
        for (let before = -1; before !== expected.size;) {
          before = expected.size;
          for (const [dependent, on] of edges) if (expected.has(on)) expected.add(dependent);
        }
        const closure = graph.closure(compilePattern(start)).map((one) => one.source);
        expect(new Set(closure)).toEqual(expected);
        expect(closure).toHaveLength(expected.size);
        const isReachable = (from: string, to: string): boolean =>
          edges.some(([dependent, on]) => on === from && dependent === to);
        for (const cycle of graph.analyze(start).cycles) {
          expect(cycle[0]).toBe(cycle.at(-1));
          for (let i = 1; i < cycle.length; i++) expect(isReachable(cycle[i - 1]!, cycle[i]!)).toBe(true);
        }
      }),
    );
  });
});

test('arguments are checked', () => {
  expect(() => new CacheInvalidationStrategies({} as never)).toThrow(/a cache manager/);
  expect(() => strategies.registerEventMapping('', 'x')).toThrow(RangeError);
});
