/** Options by the names they had in earlier versions: they are accepted, with one warning. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ConnectionPool,
  DistributedCacheCoordinator,
  MultiLayerCacheManager,
  PersistentCache,
  RateLimiter,
} from '../../src/index.js';
import { withPresentNames } from '../../src/shared/former-options.js';

const folder = mkdtempSync(join(tmpdir(), 'former-options-'));
const cache = new MultiLayerCacheManager();
let warned: string[] = [];

beforeEach(() => {
  warned = [];
  jest.spyOn(process, 'emitWarning').mockImplementation((text: unknown, options?: unknown) => {
    warned.push(`${(options as { code: string }).code} ${String(text)}`);
  });
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => {
  cache.destroy();
  rmSync(folder, { recursive: true });
});

test.each<[string, (options: never) => { close(): unknown }, object, RegExp[]]>([
  ['RateLimiter', (given) => new RateLimiter(given), { refillInterval: 1000 }, [/'refillRate' of them each second/]],
  ['ConnectionPool', (given) => new ConnectionPool(given), { maxRetries: 3, minConnections: 0 }, [/connectionTimeout/]],
  [
    'DistributedCacheCoordinator',
    (given) => new DistributedCacheCoordinator(cache, 's', given),
    { broadcastInterval: 1000 },
    [/sent at once/],
  ],
  [
    'PersistentCache',
    (given) => new PersistentCache({ cacheDir: folder, ...(given as object) }),
    { compression: true, memoryLimit: 100 },
    [/'compression' is now called 'compress'/, /'memoryLimit' is now called 'maxMemoryItems'/],
  ],
])('%s understands the options of earlier versions', async (who, make, options, messages) => {
  for (let i = 0; i < 2; i++) await make(options as never).close();
  expect(warned).toHaveLength(messages.length);
  for (const [i, message] of messages.entries()) {
    expect(warned[i]).toMatch(`TOOLOO_OPTION_RENAMED ${who}: option '${Object.keys(options)[i]}'`);
    expect(warned[i]).toMatch(message);
  }
});

test('a former name counts as the present one does, and is checked as it', async () => {
  const small = new PersistentCache({ cacheDir: folder, memoryLimit: 1 } as object);
  await small.set('a', 1);
  await small.set('b', 1);
  expect(small.getStats().memory).toMatchObject({ size: 1, maxSize: 1 });
  small.close();
  expect(() => new PersistentCache({ cacheDir: folder, memoryLimit: 'much' } as object)).toThrow(/maxMemoryItems/);
});

test('where both are given the present name counts; the caller keeps the object as it was', () => {
  const given = Object.freeze({ old: 1, now: 2 });
  expect(withPresentNames<{ now?: number }>('X', given, { old: 'now' })).toEqual({ now: 2 });
  const untouched = { now: 3 };
  expect(withPresentNames<{ now?: number }>('X', untouched, { old: 'now' })).toBe(untouched);
});
