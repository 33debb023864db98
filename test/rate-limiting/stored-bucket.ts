import type { Redis } from 'ioredis';

/** A bucket as RedisStore keeps it: what is owed, in units, and when that was, in µs. */
export async function storedBucket(client: Redis, key: string): Promise<{ debt: number; time: number }> {
  const stored = await client.getBuffer(key);
  if (stored === null) throw new Error(`there is no bucket ${key}`);
  return { debt: stored.readDoubleLE(0), time: stored.readDoubleLE(8) };
}
