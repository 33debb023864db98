/**
 * A process that shares one Redis with others. It makes as many requests as its parent asks for, and reports how many
 * were admitted.
 */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { RateLimiter } from '../../src/rate-limiting/index.js';
import { RedisStore } from '../../src/redis.js';
import { PATIENT } from '../support/eventually.js';

/** What the parent sends once this process is ready. */
export interface Offer {
  readonly rounds: number;
  readonly perRound: number;
}

export interface Answer {
  readonly admitted: number;
  readonly refused: number;
}

async function main(): Promise<void> {
  const [url, prefix, rateLimit, refillRate] = process.argv.slice(2) as [string, string, string, string];
  const client = new Redis(url);
  const store = new RedisStore({ client, prefix, timeout: PATIENT });
  const limiter = new RateLimiter({
    rateLimit: Number(rateLimit),
    refillRate: Number(refillRate),
    store,
    onStoreError: 'deny',
  });
  if (client.status !== 'ready') await once(client, 'ready');
  process.on('message', ({ rounds, perRound }: Offer) => {
    void answer(rounds, perRound).then((sent) => {
      process.send!(sent);
      client.disconnect();
      process.disconnect();
    });
  });
  process.send!('ready');

  async function answer(rounds: number, perRound: number): Promise<Answer> {
    let admitted = 0;
    for (let round = 0; round < rounds; round++) {
      const decisions = await Promise.all(Array.from({ length: perRound }, () => limiter.isAllowed('everybody')));
      admitted += decisions.filter(Boolean).length;
    }
    return { admitted, refused: rounds * perRound - admitted };
  }
}

void main();
