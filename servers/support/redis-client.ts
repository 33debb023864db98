/** A connection to the Redis at `REDIS_URL`. */
import type { Redis } from 'ioredis';
import type { CloseStack } from './close-stack.js';

/**
 * Longest wait between two connection attempts, in ms. It is short, so that users of Redis resume soon after it
 * recovers.
 */
const RECONNECT = 500;

/**
 * Connects in the background. While Redis is unavailable, commands fail at once.
 *
 * @param onAway called with the reason whenever Redis cannot be reached
 */
export async function openRedis(url: string, stack: CloseStack, onAway: (reason: string) => void): Promise<Redis> {
  // Imported only here, so that a fleet without Redis runs without ioredis installed.
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
