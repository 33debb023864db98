/** The loop that coaches: one process of several takes the due steps; it slows down while training is away. */
import { randomUUID } from 'node:crypto';
import type { AxiosInstance } from 'axios';
import type { Kysely } from 'kysely';
import { ResilienceError, type Clock } from '../../src/index.js';
import { leaseOn } from '../support/lease.js';
import type { Logger } from '../support/logger.js';
import { repeatingTask } from '../support/repeating-task.js';
import { settingsStore } from '../support/settings-store.js';
import { seededRandom } from '../support/seeded-random.js';
import { runStore, type Run } from './run-store.js';
import type { CoachSchema } from './schema.js';
import { coachSettings } from './settings.js';
import { takeStep } from './step.js';
import { trainingClient } from './training-client.js';

/** How often the loop looks for due steps, and how long it waits at most while training is away. */
const TICK = 1000;
const MAX_BACKOFF = 10_000;
/** Without being renewed for so long, another process takes over: longer than any wait of a process that lives. */
const LEASE = 20_000;
/** A step that a process took and never settled, because it died, is due again after this. */
const CLAIM = 60_000;
const STEPS_A_TICK = 25;

export interface Driver {
  /** Whether this process drives, which process does, and how many ticks failed in a row. */
  status(): Promise<{ instance: string; driving: boolean; holder: string | null; failures: number }>;
  close(): Promise<void>;
}

export interface DriverOptions {
  readonly db: Kysely<CoachSchema>;
  readonly training: AxiosInstance;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts the loop. It takes up the runs it finds: those of before a restart too. */
export function startDriver({ db, training, clock, log }: DriverOptions): Driver {
  const instance = randomUUID();
  const runs = runStore(db);
  const lease = leaseOn(db, 'driver', instance, LEASE);
  const settings = settingsStore(db, 'coach', coachSettings);
  const client = trainingClient(training);

  const step = async (run: Run, maxInterval: number, signal: AbortSignal): Promise<void> => {
    const now = clock.now();
    if (!(await runs.claim(run, now + CLAIM))) return;
    const chance = seededRandom(run.id * 65_537 + run.step)();
    const { outcome, failure } = await takeStep(run, { training: client, maxInterval, now, chance, signal });
    await runs.settle(run, outcome);
    // The learner's own trouble (a session that ended) is theirs; training being away is everyone's.
    if (failure !== undefined && failure.status >= 500) throw failure;
  };

  const task = repeatingTask({
    clock,
    interval: TICK,
    maxBackoff: MAX_BACKOFF,
    // A peer that is away is no fault of this code: its name and its code say all, a stack would say nothing.
    onError: (error) =>
      log.warn(
        ResilienceError.is(error) ? { code: error.code, reason: error.message } : { err: error },
        'coaching is held up',
      ),
    run: async (signal) => {
      if (!(await lease.hold(clock.now()))) return;
      const { maxInterval } = await settings.read();
      for (const run of await runs.due(clock.now(), STEPS_A_TICK)) {
        if (signal.aborted) return;
        await step(run, maxInterval, signal);
      }
    },
  });

  return {
    async status() {
      const holder = (await lease.holder(clock.now()))?.holder ?? null;
      return { instance, driving: holder === instance, holder, failures: task.failures };
    },
    async close() {
      await task.close();
      await lease.release();
    },
  };
}
