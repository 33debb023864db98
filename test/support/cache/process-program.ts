/** A process with a cache of its own over a shared file or a shared Redis: does what its parent asks, one call after the other or several at once. */
import { Redis } from 'ioredis';
import { MultiLayerCacheManager } from '../../../src/caching/multi-layer-cache-manager.js';
import type { StoreOptions } from '../../../src/caching/claim.js';
import type { Clock } from '../../../src/shared/clock.js';
import { RedisCacheLayer } from '../../../src/caching/redis-cache-layer.js';

/** What the cache is opened over. */
export interface Shared {
  readonly dbPath?: string;
  readonly redis?: { readonly port: number; readonly prefix: string };
}

export type Call =
  /** `waits`: until Redis has answered. */
  | { readonly do: 'open'; readonly shared: Shared; readonly offset: number; readonly waits: boolean }
  | { readonly do: 'set'; readonly key: string; readonly value: number; readonly options: StoreOptions }
  | {
      readonly do: 'load';
      readonly key: string;
      readonly value: number;
      readonly options: StoreOptions;
      readonly invalidates: boolean;
    }
  | { readonly do: 'get' | 'shared' | 'invalidate'; readonly key: string }
  | { readonly do: 'pattern'; readonly pattern: string }
  | { readonly do: 'tag'; readonly tag: string; readonly soft: boolean }
  | { readonly do: 'clear' }
  | { readonly do: 'offset'; readonly offset: number };

export interface Reply {
  /** The value found or loaded. */
  readonly value?: number | undefined;
  /** Whether this process' loader ran. */
  readonly ran?: boolean;
  /** The values whose loader began in the background since the previous reply. */
  readonly began?: readonly number[];
  /** Calls of the shared layer that failed until now. */
  readonly errors: number;
  readonly failure?: string;
}

process.removeAllListeners('warning'); // that a layer is done without is what is tested, not news
process.on('SIGXFSZ', () => undefined); // a file at its limit is then an error of the write

let offset = 0;
const clock: Clock = { now: () => Date.now() + offset };
let cache: MultiLayerCacheManager | undefined;
let layer: { read(key: string): unknown } | undefined;
let client: Redis | undefined;
let errors = 0;
let began: number[] = [];
/** How often a cache was opened: a load of an earlier one is not reported. */
let openings = 0;

function connect(port: number): Redis {
  const made = new Redis({
    port,
    host: '127.0.0.1',
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => 20,
  });
  made.on('error', () => undefined);
  return made;
}

async function open({ dbPath, redis }: Shared, waits: boolean): Promise<void> {
  cache?.destroy();
  const onError = (): void => void errors++;
  const store =
    redis && new RedisCacheLayer({ client: (client ??= connect(redis.port)), prefix: redis.prefix, onError });
  if (waits && client !== undefined && client.status !== 'ready')
    await new Promise((resolve) => client!.once('ready', resolve));
  cache = new MultiLayerCacheManager({
    clock,
    onError,
    ...(dbPath !== undefined && { disk: { dbPath, busyTimeout: 2, cleanupInterval: 86_400_000 } }),
    ...(store && { redis: store }),
  });
  layer = store ?? cache.disk;
}

async function load({ key, value, options, invalidates }: Extract<Call, { do: 'load' }>): Promise<Partial<Reply>> {
  let ran = false;
  let isAnswered = false;
  const opening = openings;
  const answer = await cache!.getOrSet(
    key,
    async () => {
      ran = true;
      if (isAnswered && opening === openings) began.push(value);
      await new Promise((resolve) => setImmediate(resolve));
      if (invalidates) await cache!.invalidate(key);
      return value;
    },
    { ...options, timeout: 1_000 },
  );
  isAnswered = true;
  return { value: answer, ran };
}

async function perform(call: Call): Promise<Partial<Reply>> {
  switch (call.do) {
    case 'open':
      offset = call.offset;
      openings++;
      began = [];
      await open(call.shared, call.waits);
      return {};
    case 'offset':
      offset = call.offset;
      return {};
    case 'set':
      await cache!.set(call.key, call.value, call.options);
      return {};
    case 'load':
      return load(call);
    case 'get':
      return { value: await cache!.get<number>(call.key) };
    case 'shared':
      return { value: await sharedValue(call.key) };
    case 'invalidate':
      await cache!.invalidate(call.key);
      return {};
    case 'pattern':
      await cache!.invalidatePattern(call.pattern);
      return {};
    case 'tag':
      await cache!.invalidateTag(call.tag, { soft: call.soft });
      return {};
    case 'clear':
      await cache!.clear();
      return {};
  }
}

/** The value that every process finds in the shared layer. The memory of this process is not read. */
async function sharedValue(key: string): Promise<number | undefined> {
  try {
    const entry = (await layer!.read(key)) as { ttl: number; value: number } | undefined;
    return entry !== undefined && entry.ttl > 0 ? entry.value : undefined;
  } catch {
    return undefined; // the layer on disk throws where the manager does without it
  }
}

process.on('message', ({ id, call }: { id: number; call: Call }) => {
  perform(call)
    .catch((error: unknown) => ({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }))
    .then((reply) => {
      process.send?.({ id, reply: { ...reply, errors, began } });
      began = [];
    })
    .catch(() => undefined);
});
process.send?.('ready');
