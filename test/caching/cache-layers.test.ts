/** The conformance suite, on every layer. */
import { mkdtempSync, rmSync } from 'node:fs';
import Keyv from 'keyv';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import { KeyvCacheLayer } from '../../src/caching/keyv-cache-layer.js';
import type { KeyvTarget } from '../../src/caching/keyv-cache-store.js';
import { MemoryCacheLayer } from '../../src/caching/memory-cache-layer.js';
import { FakeClock, cacheLayerCases, type CacheLayerFixture } from '../../src/testing.js';

const MINUTE = 60_000;

function memory(options = {}): CacheLayerFixture {
  const clock = new FakeClock();
  const layer = new MemoryCacheLayer({ defaultTTL: MINUTE, clock, ...options });
  return { layer, advance: (ms) => clock.advance(ms), close: () => layer.destroy() };
}

function disk(options = {}): CacheLayerFixture {
  const folder = mkdtempSync(join(tmpdir(), 'cache-layers-'));
  const clock = new FakeClock();
  const layer = new DiskCacheLayer({ dbPath: join(folder, 'cache.db'), defaultTTL: MINUTE, clock, ...options });
  return {
    layer,
    advance: (ms) => clock.advance(ms),
    close: () => {
      layer.destroy();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Without an iterator there is no finding by pattern, which another test is about. */
function keyv(store: KeyvTarget): CacheLayerFixture {
  const clock = new FakeClock();
  const layer = new KeyvCacheLayer({ store, defaultTTL: MINUTE, clock });
  return { layer, advance: (ms) => clock.advance(ms), close: () => layer.destroy() };
}

describe.each([
  ['MemoryCacheLayer', () => memory()],
  ['MemoryCacheLayer with a bound in bytes', () => memory({ maxBytes: 1_000_000 })],
  ['DiskCacheLayer', () => disk()],
  ['DiskCacheLayer that compresses everything', () => disk({ compressionThreshold: 0 })],
  ['DiskCacheLayer in memory', () => disk({ dbPath: ':memory:' })],
  ['KeyvCacheLayer on a Map', () => keyv(new Map())],
  ['KeyvCacheLayer on a Keyv', () => keyv(new Keyv({ store: new Map() }) as KeyvTarget)],
])('%s', (_name, create) => {
  test.each(cacheLayerCases.map(({ name, run }) => [name, run] as const))('%s', (_case, run) => run(create));
});
