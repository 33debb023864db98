/** Several processes, one limit: together they admit what one would. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { resolveQuota } from '../../src/rate-limiting/index.js';
import { RedisStore } from '../../src/redis.js';
import { PATIENT } from '../support/eventually.js';
import { bundleProgram, nextMessage, startProgram } from '../support/bundled-child.js';
import { describeWith, redisService } from '../support/services.js';
import { storedBucket } from './stored-bucket.js';
import type { Answer, Offer } from './redis-worker.js';

jest.setTimeout(60_000); // processes start, stop and reconnect in real time

const PROCESSES = 4;

describeWith(redisService, 'four processes on one Redis', (url) => {
  const folder = mkdtempSync(join(tmpdir(), 'rate-limit-processes-'));
  let bundle: string;
  let client: Redis;

  beforeAll(() => {
    bundle = bundleProgram(join(__dirname, 'redis-worker.ts'), folder);
    client = new Redis(url);
  });
  afterAll(() => {
    client.disconnect();
    rmSync(folder, { recursive: true });
  });

  /** Offers five times the limit of 1,000, from all processes at once. Returns what they admitted together. */
  async function admittedOfFiveThousand(
    prefix: string,
    refillRate: number,
    before: () => Promise<void>,
  ): Promise<number> {
    const children = Array.from({ length: PROCESSES }, () =>
      startProgram(bundle, url, prefix, '1000', String(refillRate)),
    );
    try {
      await Promise.all(children.map((child) => nextMessage(child)));
      await before();
      const offer: Offer = { rounds: 50, perRound: 25 };
      const answers = children.map((child) => nextMessage<Answer>(child));
      for (const child of children) child.send(offer);
      const settled = await Promise.all(answers);
      expect(settled.reduce((sum, { admitted, refused }) => sum + admitted + refused, 0)).toBe(5_000);
      return settled.reduce((sum, { admitted }) => sum + admitted, 0);
    } finally {
      for (const child of children) child.kill();
      const keys = await client.keys(`${prefix.replace(/[{}]/g, '?')}*`);
      if (keys.length > 0) await client.del(...keys);
    }
  }

  test('admit exactly the limit where nothing returns', async () => {
    const prefix = `{processes-${randomUUID()}}:`;
    expect(await admittedOfFiveThousand(prefix, 0, () => Promise.resolve())).toBe(1_000);
  });

  test('admit exactly what returns at 1,000 in ten seconds, to the token', async () => {
    const prefix = `{processes-${randomUUID()}}:`;
    const quota = resolveQuota('default', { rateLimit: 1_000, refillRate: 100 });
    const store = new RedisStore({ client, prefix, timeout: PATIENT, instances: 1 });
    const bucket = () => storedBucket(client, `${prefix}b:default:everybody`);
    let began = 0;
    let last = { debt: 0, time: 0 };
    // Half full, so that the 5,000 requests empty it and it is never full. Its debt then equals the tokens taken.
    const before = async (): Promise<void> => {
      await store.write('everybody', quota, 500);
      began = (await bucket()).time;
    };
    const watch = jest.spyOn(client, 'keys').mockImplementationOnce(async () => {
      last = await bucket();
      return [];
    });
    const admitted = await admittedOfFiveThousand(prefix, 100, before);
    watch.mockRestore();
    const returned = (last.time - began) * quota.unitsPerMicrosecond;
    expect(500 * quota.unitsPerToken + admitted * quota.unitsPerToken - returned).toBe(last.debt);
    await client.del(...(await client.keys(`${prefix.replace(/[{}]/g, '?')}*`)));
  });
});
