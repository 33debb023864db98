/**
 * Three processes over one SQLite file, and over Redis, with faults: a locked file, a full disk, killed processes, an
 * emptied folder, Redis that does not answer or starts empty, clocks that are off. The oracle: an answer was written
 * under its key, has not expired, and was not invalidated by the process that answers. While no fault is active, an
 * invalidated entry is gone from the shared layer for all processes. Of concurrent loads of one key, one runs.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleProgram } from '../support/bundled-child.js';
import { CacheProcess } from '../support/cache/process.js';
import type { Shared } from '../support/cache/process-program.js';
import { World, type Fault, type Step } from '../support/cache/world.js';
import fc from '../support/fast-check.js';
import { RedisServer } from '../support/redis-server.js';
import { fuzz, type FuzzProperty, type Tally } from './harness.js';

const hasProgram = (name: string): boolean => spawnSync(name, ['--version']).status === 0;
const hasRedis = hasProgram('redis-server');

const folder = mkdtempSync(join(tmpdir(), 'fuzz-processes-'));
const processes: CacheProcess[] = [];
let redis: RedisServer | undefined;
let worlds = 0;

beforeAll(async () => {
  const bundle = bundleProgram(join(__dirname, '../support/cache/process-program.ts'), folder);
  while (processes.length < 3) processes.push(await CacheProcess.start(bundle));
  if (hasRedis) redis = await RedisServer.start();
}, 30_000);
afterAll(async () => {
  for (const one of processes) await one.stop();
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const key = fc.constantFrom('user:1', 'user:2', 'user:1:posts', 'x');
const options = fc.record({
  ttl: fc.constantFrom(50_000, 500_000, Infinity),
  grace: fc.constantFrom(0, 0, 300_000),
  tags: fc.subarray(['red', 'blue']),
});

const stepsWith = (...faults: Fault[]): fc.Arbitrary<Array<[number, Step]>> => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key, options }) },
    {
      weight: 10,
      arbitrary: fc.record({ do: fc.constantFrom('get' as const, 'shared' as const, 'shared' as const), key }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('load' as const), key, options, invalidates: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('together' as const), key, options }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('invalidate' as const), key }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('pattern' as const),
        pattern: fc.constantFrom('user:*', '*1', '*', 'none:*'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('tag' as const),
        tag: fc.constantFrom('red', 'blue'),
        soft: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'clear' as const }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(20_000, 60_000, 600_000) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fault' as const), fault: fc.constantFrom(...faults) }) },
    { weight: 1, arbitrary: fc.constant({ do: 'fault' as const, fault: 'mend' as const }) },
  );
  return fc.array(fc.tuple(fc.nat(2), step), { minLength: 5, maxLength: 60, size: 'max' });
};

async function check(shared: Shared, skews: number[], steps: Array<[number, Step]>, tally: Tally): Promise<void> {
  const world = new World(processes, redis, shared, skews, tally);
  await world.open();
  try {
    for (const [which, step] of steps) await world.take(which, step);
  } finally {
    await world.close();
  }
}

const overFile: FuzzProperty<Array<[number, Step]>> = {
  title: 'processes over one file that is locked, full, emptied or left by a killed process answer nothing outdated',
  arbitrary: stepsWith('lock', 'kill', 'empty', 'setBack', ...(hasProgram('prlimit') ? ['full' as const] : [])),
  async check(steps, tally) {
    const dbPath = join(folder, `${worlds++}`, 'cache.db');
    mkdirSync(join(dbPath, '..'));
    await check({ dbPath }, [0, 0, 0], steps, tally);
  },
};

const HOUR = 3_600_000;
const overRedis: FuzzProperty<Array<[number, Step]>> = {
  title: 'processes over Redis that does not answer or begins anew, with clocks that are off, answer nothing outdated',
  arbitrary: stepsWith('kill', 'pause', 'beginAnew', 'setBack'),
  async check(steps, tally) {
    const shared = { redis: { port: redis!.port, prefix: `world${worlds++}:` } };
    await check(shared, [0, HOUR, -HOUR], steps, tally);
  },
};

fuzz('cache', hasRedis ? [overFile, overRedis] : [overFile], 0.3);
