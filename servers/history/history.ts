/** Opens the history of a service: the recorder, and its database beside the data of the service. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, DistributedTracer } from '../../src/index.js';
import type { FleetConfig } from '../support/config.js';
import { openDatabase, type OpenedDatabase } from '../support/database.js';
import type { ServiceName } from '../support/fleet.js';
import type { Logger } from '../support/logger.js';
import { HistoryRecorder } from './recorder.js';
import { HistoryStore } from './history-store.js';
import { historyMigrations, type HistorySchema } from './schema.js';

/** The part of the recorder that the rest of a server uses. */
export type History = Pick<HistoryRecorder, 'store' | 'note' | 'called' | 'follow'>;

export interface HistoryParts {
  readonly name: ServiceName;
  readonly config: FleetConfig;
  readonly tracer: DistributedTracer;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface OpenedHistory extends History {
  /** Writes what was recorded. Call it while the engines are open. Idempotent. */
  finish(): Promise<void>;
  /** Closes the database too. Idempotent. */
  close(): Promise<void>;
}

const MEGABYTE = 1_000_000;

/** Close it after the server has closed. */
export function openHistory(parts: HistoryParts): OpenedHistory {
  return parts.config.HISTORY_MB === 0 ? emptyHistory() : recordedHistory(parts);
}

/** Records nothing, and is read as a history in which nothing was measured. */
function emptyHistory(): OpenedHistory {
  let opened: Promise<OpenedDatabase<HistorySchema>> | undefined;
  return {
    store: async () => {
      opened ??= openDatabase<HistorySchema>({ path: ':memory:', migrations: historyMigrations, maxConnections: 1 });
      return new HistoryStore((await opened).db, MEGABYTE);
    },
    note: () => undefined,
    called: () => undefined,
    follow: () => undefined,
    finish: () => Promise.resolve(),
    close: async () => (await opened)?.close(),
  };
}

function recordedHistory({ name, config, tracer, clock, log }: HistoryParts): OpenedHistory {
  let database: OpenedDatabase<HistorySchema> | undefined;
  const recorder = new HistoryRecorder({
    service: name,
    instance: config.INSTANCE_ID ?? name,
    tracer,
    clock,
    log,
    open: async () => {
      const url = config.DATABASE_URL;
      database = await openDatabase<HistorySchema>({
        path: join(config.DATA_DIR, `${name}-history.sqlite`),
        migrations: historyMigrations,
        maxConnections: 1,
        ...(url !== undefined && { url, schema: `tooloo_${name}_history` }),
      });
      const store = new HistoryStore(database.db, config.HISTORY_MB * MEGABYTE);
      await noteStart(store, recorder);
      return store;
    },
  });
  return {
    store: () => recorder.store(),
    note: (...event) => recorder.note(...event),
    called: (...call) => recorder.called(...call),
    follow: (engines) => recorder.follow(engines),
    finish: () => recorder.close(),
    async close() {
      await recorder.close();
      await database?.close();
    },
  };
}

/** A start with another program than before is a deployment. */
async function noteStart(store: HistoryStore, recorder: HistoryRecorder): Promise<void> {
  const build = `build ${buildOf(process.argv[1])}`;
  const before = await store.lastStart();
  const at = Math.round(performance.timeOrigin);
  if (before === undefined || before.endsWith(build)) recorder.note('start', `started ${build}`, { at });
  else recorder.note('deploy', `deployed ${build}`, { at });
}

/** Identifies a program by its content. */
function buildOf(program: string | undefined): string {
  try {
    return createHash('sha256')
      .update(readFileSync(program ?? ''))
      .digest('hex')
      .slice(0, 8);
  } catch {
    return 'unknown'; // started from text, or from a file that was replaced meanwhile
  }
}
