/** The part of a Redis client that the transport through a stream uses. */
import type { RedisCacheClient } from '../redis-link.js';

/**
 * The methods of an ioredis `Redis` that the transport uses.
 *
 * @example
 * import { Redis } from 'ioredis';
 * import { RedisTransport, type RedisStreamClient } from '@tooloo/resilience/redis';
 *
 * const client: RedisStreamClient = new Redis();
 * const transport = new RedisTransport({ client });
 */
export interface RedisStreamClient extends RedisCacheClient {
  /** A further connection like this one, for blocking reads. The transport closes it. */
  duplicate(options: Record<string, unknown>): RedisStreamReader;
}

/**
 * The connection on which a transport waits for messages: a duplicate of its client.
 *
 * @example
 * import { Redis } from 'ioredis';
 * import type { RedisStreamReader } from '@tooloo/resilience/redis';
 *
 * const reader: RedisStreamReader = new Redis().duplicate();
 */
export interface RedisStreamReader {
  call(command: string, args: (string | number)[]): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  disconnect(): void;
}
