/**
 * The coaching loop. One of several processes runs the due steps. It slows down while the training service is
 * unavailable.
 */
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

/** Interval at which the loop checks for due steps, and the longest wait while the training service is unavailable. */
const TICK = 1000;
const MAX_BACKOFF = 10_000;
/**
 * Another process takes over if the lease is not renewed for this time. It is longer than any wait of a live process.
 */
const LEASE = 20_000;
/** A step that was claimed but not settled, because its process died, is due again after this time. */
const CLAIM = 60_000;
const STEPS_A_TICK = 25;

export interface Driver {
  /** Whether this process runs the loop, which process does, and the number of consecutive failed ticks. */
  status(): Promise<{ instance: string; driving: boolean; holder: string | null; failures: number }>;
  close(): Promise<void>;
}

export interface DriverOptions {
  readonly db: Kysely<CoachSchema>;
  readonly training: AxiosInstance;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts the loop. It continues all active runs, including those from before a restart. */
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
    // An error of one learner, such as an ended session, affects only that learner. An unavailable training service
    // affects all.
    if (failure !== undefined && failure.status >= 500) throw failure;
  };

  const task = repeatingTask({
    clock,
    interval: TICK,
    maxBackoff: MAX_BACKOFF,
    // An unavailable peer is not an error in this code, so its name and error code are logged without a stack.
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
