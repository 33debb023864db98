/** The options of `RedisStore`, and their checks. */
import type { Clock } from '../shared/clock.js';
import {
  anyOf,
  boolean,
  clock as clockCheck,
  count,
  having,
  oneOf,
  positive,
  string,
  type OptionChecks,
} from '../shared/options.js';

/** The keys and arguments of a script, as node-redis takes them. */
export interface ScriptOptions {
  keys: string[];
  arguments: string[];
}

/**
 * What the store uses of node-redis 4 and later: `createClient`, `createCluster`, `createSentinel`.
 *
 * @example
 * import { createClient } from 'redis';
 * import { RedisStore } from '@tooloo/resilience/redis';
 *
 * const client = await createClient({ url: 'redis://127.0.0.1:6379' }).connect();
 * const store = new RedisStore({ client });
 */
export interface NodeRedisClient {
  evalSha(sha: string, options: ScriptOptions): Promise<unknown>;
  eval(script: string, options: ScriptOptions): Promise<unknown>;
  /** False while commands would wait for a connection. A cluster has only `isOpen`. */
  readonly isReady?: boolean;
  readonly isOpen?: boolean;
  /** Only a cluster has masters. */
  readonly masters?: unknown;
}

/**
 * What the store uses of a client: `Redis` and `Cluster` of ioredis and of iovalkey are ones.
 *
 * @example
 * import { Redis } from 'ioredis';
 * import { RedisStore, type RedisScriptClient } from '@tooloo/resilience/redis';
 *
 * const client: RedisScriptClient = new Redis();
 * const store = new RedisStore({ client });
 */
export interface RedisScriptClient {
  evalsha(sha: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
  eval(script: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
  /** 'ready' when commands go out at once; others are not waited for. A client without it is taken to be ready. */
  readonly status?: string;
  readonly isCluster?: boolean;
  connect?(): Promise<unknown>;
}

/** The client, the keys and the deadline. */
export interface RedisStoreOptions {
  /** The caller's client, of ioredis, iovalkey or node-redis (`redis`). The store never closes it. */
  readonly client: RedisScriptClient | NodeRedisClient;
  /**
   * Begins every key. Default '{rate-limit}:'. The part in braces keeps all buckets in one slot of a cluster, so that
   * several policies can be charged as one. On a cluster, a prefix without braces is put into some.
   */
  readonly prefix?: string;
  /**
   * Whether the buckets spread over the slots of a cluster: for a limiter of a single policy with more decisions than one
   * node can make. Default false.
   */
  readonly spread?: boolean;
  /** Milliseconds after which a decision fails. Default 20. */
  readonly timeout?: number;
  /** How many processes share the store. While it is unavailable, each applies its share. Default 'auto': they are counted. */
  readonly instances?: number | 'auto';
  /** The least number of processes that is assumed until they have been counted for ten seconds. Default 4. */
  readonly maxInstances?: number;
  /** The clock by which buckets refill. Default: the server's, because the clocks of processes differ. For tests. */
  readonly clock?: Clock;
}

export const REDIS_OPTIONS: OptionChecks<RedisStoreOptions> = {
  client: anyOf(
    having('an ioredis or iovalkey client', 'evalsha', 'eval'),
    having('a node-redis client', 'evalSha', 'eval'),
  ),
  prefix: string,
  spread: boolean,
  timeout: positive,
  instances: anyOf(count(), oneOf('auto')),
  maxInstances: count(),
  clock: clockCheck,
};
