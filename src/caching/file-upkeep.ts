/**
 * Long work on the file of the disk layer, in a thread: sweeping, checkpointing the log and returning free pages. Each
 * step takes the write lock for about a millisecond, so that other writers are not blocked.
 */
import type * as WorkerThreads from 'node:worker_threads';
import type { Worker } from 'node:worker_threads';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import type { SqliteOpener } from '../shared/sqlite-database.js';
import { sqliteDriver } from '../shared/sqlite-driver.js';

/** `sweep` removes the entries that have expired at `now`. */
export type UpkeepJob = { readonly kind: 'sweep'; readonly now: number } | { readonly kind: 'vacuum' | 'checkpoint' };

interface Reply {
  readonly id: number;
  readonly removed?: number;
  readonly error?: { readonly message: string; readonly code: unknown };
}

interface Waiting {
  readonly resolve: (removed: number) => void;
  readonly reject: (error: Error) => void;
}

/** Milliseconds between two checkpoints. A checkpoint that a reader delayed is not retried at once. */
const CHECKPOINT_PAUSE = 250;

/** The thread's program, sent as text: it uses nothing from outside itself. A connection lasts for one job. */
export function serveUpkeep(
  { parentPort, workerData }: typeof WorkerThreads,
  openSqlite: SqliteOpener,
  clock: Pick<Clock, 'now'>,
): void {
  const port = parentPort!;
  const { path } = workerData as { path: string };
  const rest = new Int32Array(new SharedArrayBuffer(4));
  /** Lets writers of other threads and processes continue. */
  const yieldLock = (): void => void Atomics.wait(rest, 0, 0, 5);

  function sweep(database: ReturnType<SqliteOpener>, now: number): number {
    const remove = database.prepare<[number, number]>(
      'DELETE FROM cache_entries WHERE rowid IN (SELECT rowid FROM cache_entries WHERE stale_until <= ? LIMIT ?)',
    );
    let removed = 0;
    for (let rows = 50; ;) {
      const start = clock.now();
      const { changes } = remove.run(now, rows);
      removed += changes;
      if (changes < rows) return removed;
      rows = Math.min(500, Math.max(1, Math.round((rows * 2) / Math.max(0.1, clock.now() - start))));
      yieldLock();
    }
  }

  function vacuum(database: ReturnType<SqliteOpener>): void {
    if (database.pragma('auto_vacuum', { simple: true }) === 0) {
      database.exec('VACUUM'); // a file of an earlier version, which does not support steps
    } else {
      const free = (): unknown => database.pragma('freelist_count', { simple: true });
      for (let left = free(); left !== 0; left = free()) {
        database.pragma('incremental_vacuum(64)');
        yieldLock();
      }
    }
    checkpoint(database);
  }

  /**
   * Folds the log into the file, most of it without any lock, and cuts it. The first write to a folded log begins it
   * anew and waits for the disk: on the event loop that was seen to take half a second. Therefore a reader keeps other
   * writers from doing so until the log is cut, and a harmless change here begins the new log.
   */
  function checkpoint(database: ReturnType<SqliteOpener>): void {
    const reader = openSqlite(path, { timeout: 1000, fileMustExist: true });
    try {
      reader.exec('BEGIN; SELECT generation FROM cache_state');
      database.pragma('wal_checkpoint(PASSIVE)');
    } finally {
      reader.close();
    }
    database.pragma('busy_timeout = 20'); // the lock of the writers is held while it waits for readers
    const [result] = database.pragma('wal_checkpoint(TRUNCATE)') as Array<{ busy: number }>;
    if (result?.busy === 0) database.exec('UPDATE cache_state SET generation = generation + 1');
  }

  port.on('message', ({ id, job }: { id: number; job: UpkeepJob }) => {
    try {
      const database = openSqlite(path, { timeout: 1000, fileMustExist: true });
      try {
        database.pragma('synchronous = NORMAL');
        database.pragma('wal_autocheckpoint = 0');
        let removed = 0;
        if (job.kind === 'sweep') removed = sweep(database, job.now);
        else if (job.kind === 'vacuum') vacuum(database);
        else checkpoint(database);
        port.postMessage({ id, removed });
      } finally {
        database.close();
      }
    } catch (error) {
      const { message, code } = error as { message: string; code?: unknown };
      port.postMessage({ id, error: { message, code } });
    }
  });
}

/** Owns the thread, which starts with the first job and ends with `close`. It does not keep the process running. */
export class FileUpkeep {
  readonly #path: string | undefined;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #jobs = 0;
  #nextCheckpoint = 0;

  /** @param path undefined: a database in memory, where there is nothing to do */
  constructor(path: string | undefined, clock: Clock = monotonicClock) {
    this.#path = path;
    this.#clock = clock;
  }

  get isAvailable(): boolean {
    return this.#path !== undefined;
  }

  /** The number of entries that a cleanup removed, otherwise 0. */
  run(job: UpkeepJob): Promise<number> {
    if (this.#path === undefined) return Promise.resolve(0);
    const id = ++this.#jobs;
    this.#worker ??= this.#start(this.#path);
    this.#worker.ref(); // a caller may await it
    this.#worker.postMessage({ id, job });
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** Runs a checkpoint of the log, unless one is in progress or has just been done. */
  checkpoint(): void {
    const now = this.#clock.now();
    if (now < this.#nextCheckpoint) return;
    this.#nextCheckpoint = Infinity;
    const again = (): void => {
      this.#nextCheckpoint = this.#clock.now() + CHECKPOINT_PAUSE;
    };
    this.run({ kind: 'checkpoint' }).then(again, again);
    this.#worker?.unref(); // no caller waits for a checkpoint
  }

  close(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    this.#settleAll();
  }

  #start(path: string): Worker {
    const time = `{ now: ${monotonicClock.now.toString()} }`;
    const program = `(${serveUpkeep.toString()})(require('node:worker_threads'), ${sqliteDriver().expression}, ${time})`;
    // Without the flags of the process: `--input-type=module` would read the program as something else than it is.
    const threads = nodeModule('node:worker_threads');
    const worker = new threads.Worker(program, { eval: true, workerData: { path }, execArgv: [] });
    const end = (error?: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#settleAll(error);
    };
    worker.on('message', (reply: Reply) => this.#settle(reply));
    worker.on('error', end);
    worker.on('exit', () => end());
    return worker;
  }

  #settle({ id, removed = 0, error }: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if (error === undefined) waiting?.resolve(removed);
    else waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
  }

  /** Work that was pending when the layer was closed counts as done, because the file is no longer needed. */
  #settleAll(error?: Error): void {
    for (const { resolve, reject } of this.#waiting.values()) {
      if (error === undefined) resolve(0);
      else reject(error);
    }
    this.#waiting.clear();
  }
}
