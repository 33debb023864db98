/**
 * Takes a snapshot of the fleet's numbers every minute. If several processes share a database, only one of them does.
 */
import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Clock } from '../../src/index.js';
import { leaseOn } from '../support/lease.js';
import type { Logger } from '../support/logger.js';
import { repeatingTask } from '../support/repeating-task.js';
import { collectPerformance, collectSections, metricsOf, type AskEach, type Client } from './collect.js';
import type { ReportsSchema } from './schema.js';
import { keepSnapshot, type Snapshot } from './snapshot-store.js';

const INTERVAL = 60_000;
const MAX_BACKOFF = 300_000;
/** Longer than a minute plus a slow collection, so that a live holder keeps the lease. */
const LEASE = 90_000;

export interface Recorder {
  /** Takes a snapshot now. */
  record(): Promise<Snapshot>;
  close(): Promise<void>;
}

export interface RecorderOptions {
  readonly db: Kysely<ReportsSchema>;
  readonly client: Client;
  readonly askEach: AskEach;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts the recording. The first snapshot is taken after a minute. */
export function startRecorder({ db, client, askEach, clock, log }: RecorderOptions): Recorder {
  const lease = leaseOn(db, 'recorder', randomUUID(), LEASE);

  const record = async (): Promise<Snapshot> => {
    const [sections, performance] = await Promise.all([collectSections(client), collectPerformance(askEach)]);
    return keepSnapshot(db, metricsOf(sections, performance), clock.now());
  };

  const task = repeatingTask({
    clock,
    interval: INTERVAL,
    maxBackoff: MAX_BACKOFF,
    onError: (err) => log.warn({ err }, 'no snapshot could be taken'),
    run: async () => {
      if (await lease.hold(clock.now())) await record();
    },
  });

  return {
    record,
    async close() {
      await task.close();
      await lease.release();
    },
  };
}
