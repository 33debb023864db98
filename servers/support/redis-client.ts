/** A connection to the Redis of `REDIS_URL`. */
import type { Redis } from 'ioredis';
import type { CloseStack } from './close-stack.js';

/** Longest wait before it is tried again, in ms: what waits for Redis is told soon after it is back. */
const RECONNECT = 500;

/**
 * Connects in the background: Redis may be away, and commands fail at once while it is.
 *
 * @param onAway told why, whenever it cannot be reached
 */
export async function openRedis(url: string, stack: CloseStack, onAway: (reason: string) => void): Promise<Redis> {
  // Loaded only here: a fleet without Redis runs without ioredis installed.
  const { Redis } = await import('ioredis');
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(50 * attempt, RECONNECT),
  });
  stack.add(() => client.disconnect());
  client.on('error', (error: Error) => onAway(error.message));
  return client;
}
