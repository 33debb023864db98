/** Transactions on one session: the outermost is a transaction of the database, those inside it are savepoints. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { fullJitter } from '../shared/backoff.js';
import { monotonicClock, sleep } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { boolean, checkOptions, count, oneOf } from '../shared/options.js';
import type { DatabaseConnection, Dialect, Queryable } from './connection.js';
import { fingerprint } from './fingerprint.js';

/** Isolation levels of the SQL standard. SQLite's transactions are always serializable. */
export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';

/** How a transaction runs. */
export interface TransactionOptions {
  /** PostgreSQL's isolation level. Default: the database's own, usually 'read committed'. SQLite's is always 'serializable'. */
  readonly isolation?: IsolationLevel;
  /** Refuses every write. On SQLite such a transaction does not wait for writers. Default false. */
  readonly readOnly?: boolean;
  /** PostgreSQL, with 'serializable' and `readOnly`: waits for a snapshot that can never fail to serialize. Default false. */
  readonly deferrable?: boolean;
  /**
   * How often `work` runs again after the database aborted the transaction in favour of another: a serialization
   * failure (SQLSTATE 40001), a deadlock (40P01), SQLITE_BUSY. Default 0. Only the outermost transaction can run again.
   */
  readonly retries?: number;
}

/** One level: a transaction, or a savepoint in one. Levels inside it run one after the other. */
interface Level {
  readonly connection: Queryable;
  /** 0 stands for the session itself, outside of any transaction. */
  readonly depth: number;
  readonly options: TransactionOptions;
  /** The level of any connection in whose `work` this one began: the way to look for the current one. */
  readonly outer: Level | undefined;
  /** False once its COMMIT or ROLLBACK is on the way. */
  isActive: boolean;
  /** Settles when the level inside it that runs now has ended. */
  inner: Promise<unknown> | undefined;
}

interface Session {
  readonly connection: Queryable;
  readonly database: DatabaseConnection;
}

const SNIPPET = 200;
const RETRY_JITTER = { base: 5, cap: 500 };
const RETRYABLE = /^(?:40001|40P01|SQLITE_BUSY.*)$/;
const DEEPEST_CAUSE = 5;

/** PostgreSQL's answer to everything but a rollback once a statement of the transaction has failed. */
export const ABORTED = '25P02';

const current = new AsyncLocalStorage<Level>();
const sessions = new WeakMap<Queryable, Level>();

/** The options, checked. `who` begins the message of an error. */
export function checkTransactionOptions(who: string, options: TransactionOptions | undefined): TransactionOptions {
  return checkOptions<TransactionOptions>(who, options, {
    isolation: oneOf('read committed', 'repeatable read', 'serializable'),
    readOnly: boolean,
    deferrable: boolean,
    retries: count(0),
  });
}

/** How a transaction begins where it is going to write. */
export function beginStatement(dialect: Dialect, { isolation, readOnly, deferrable }: TransactionOptions = {}): string {
  // A deferred SQLite transaction that reads and then writes fails at once when another wrote in between
  // (SQLITE_BUSY_SNAPSHOT, which no waiting cures); asking for the write lock first makes it wait its turn.
  if (dialect === 'sqlite') return readOnly === true ? 'BEGIN' : 'BEGIN IMMEDIATE';
  const level = isolation === undefined ? '' : ` ISOLATION LEVEL ${isolation.toUpperCase()}`;
  return `BEGIN${level}${readOnly === true ? ' READ ONLY' : ''}${deferrable === true ? ' DEFERRABLE' : ''}`;
}

/** The level this code runs in: of a level that has ended, the one around it. */
function levelOf(connection: Queryable): Level {
  for (let level = current.getStore(); level !== undefined; level = level.outer) {
    if (level.connection === connection && level.isActive) return level;
  }
  let session = sessions.get(connection);
  if (session === undefined) {
    session = { connection, depth: 0, options: {}, outer: undefined, isActive: true, inner: undefined };
    sessions.set(connection, session);
  }
  return session;
}

/** Levels that have ended are left out: code that outlives its transaction must not keep a chain of them alive. */
function activeOuter(): Level | undefined {
  let outer = current.getStore();
  while (outer !== undefined && !outer.isActive) outer = outer.outer;
  return outer;
}

async function untilAlone(level: Level): Promise<void> {
  while (level.inner !== undefined) await level.inner;
}

/**
 * Runs `work` between `BEGIN` and `COMMIT` on this connection, or `ROLLBACK` when it throws. Inside another transaction
 * on the connection, it runs between `SAVEPOINT` and `RELEASE`. Concurrent transactions on one connection run one after
 * the other.
 *
 * @param connection The connection that `work` uses; its transactions nest.
 * @param database The session underneath.
 * @returns The result of `work`. Its error is thrown again, unchanged, after the rollback.
 * @throws ResilienceError TRANSACTION_ROLLED_BACK if the database kept nothing, although `work` returned
 * @throws ResilienceError CONNECTION_LOST if the connection was lost during COMMIT, so that the result is unknown
 */
export async function inTransaction<T>(
  connection: Queryable,
  database: DatabaseConnection,
  work: () => Promise<T> | T,
  options: TransactionOptions = {},
): Promise<T> {
  const around = levelOf(connection);
  while (around.inner !== undefined) await around.inner;
  const run = runLevel({ connection, database }, around, work, options);
  const inner = run.then(
    () => undefined,
    () => undefined,
  );
  around.inner = inner;
  try {
    return await run;
  } finally {
    if (around.inner === inner) around.inner = undefined;
  }
}

async function runLevel<T>(
  session: Session,
  around: Level,
  work: () => Promise<T> | T,
  options: TransactionOptions,
): Promise<T> {
  // A transaction begun by hand, with `query('BEGIN')`, is one too.
  if (around.depth > 0 || session.database.inTransaction === true) {
    checkNested(around.options, options);
    return runOnce(session, around.depth + 1, around.options, work, true);
  }
  const { retries = 0 } = options;
  for (let retry = 1; ; retry++) {
    try {
      return await runOnce(session, 1, options, work, false);
    } catch (error) {
      if (retry > retries || !isRetryable(error) || !session.database.isOpen) throw error;
    }
    await sleep(monotonicClock, fullJitter(retry, RETRY_JITTER), undefined, true); // a caller awaits the result
  }
}

async function runOnce<T>(
  session: Session,
  depth: number,
  options: TransactionOptions,
  work: () => Promise<T> | T,
  isNested: boolean,
): Promise<T> {
  const { connection, database } = session;
  const level: Level = { connection, depth, options, outer: activeOuter(), isActive: true, inner: undefined };
  const savepoint = isNested ? `tooloo_${depth}` : undefined;
  await begin(session, options, savepoint);
  try {
    const result = await current.run(level, async () => work());
    await untilAlone(level);
    level.isActive = false;
    if (savepoint !== undefined) await release(session, savepoint);
    else await commit(session);
    return result;
  } catch (error) {
    await untilAlone(level);
    level.isActive = false;
    await rollBack(session, savepoint);
    throw error;
  } finally {
    level.isActive = false;
    if (!isNested && database.dialect === 'sqlite' && options.readOnly === true) {
      await connection.query('PRAGMA query_only = OFF').catch(() => undefined);
    }
  }
}

async function begin(
  { connection, database: { dialect } }: Session,
  options: TransactionOptions,
  savepoint: string | undefined,
): Promise<void> {
  if (savepoint !== undefined) return void (await connection.query(`SAVEPOINT ${savepoint}`));
  await connection.query(beginStatement(dialect, options));
  if (dialect === 'sqlite' && options.readOnly === true) await connection.query('PRAGMA query_only = ON');
}

async function commit({ connection, database }: Session): Promise<void> {
  if (database.inTransaction === false) throw rolledBack(database);
  const failed = database.failedStatement; // COMMIT ends the transaction, and with it what is known of its failure
  let command: string | undefined;
  try {
    ({ command } = await connection.query('COMMIT'));
  } catch (error) {
    if (database.isOpen) throw error;
    const message = 'the connection was lost during COMMIT: whether the transaction was committed is unknown';
    throw new ResilienceError('CONNECTION_LOST', message, { cause: error });
  }
  if (command === 'ROLLBACK') throw rolledBack(database, failed);
}

async function release({ connection, database }: Session, savepoint: string): Promise<void> {
  const failed = database.failedStatement;
  if (database.inTransaction === false) throw rolledBack(database);
  try {
    await connection.query(`RELEASE SAVEPOINT ${savepoint}`);
  } catch (error) {
    throw (error as { code?: unknown }).code === ABORTED ? rolledBack(database, failed) : error;
  }
}

/** A dead connection cannot roll back: the database does it, and the first error shows the reason. */
async function rollBack({ connection }: Session, savepoint: string | undefined): Promise<void> {
  if (savepoint === undefined) return void (await connection.query('ROLLBACK').catch(() => undefined));
  await connection.query(`ROLLBACK TO SAVEPOINT ${savepoint}`).catch(() => undefined);
  await connection.query(`RELEASE SAVEPOINT ${savepoint}`).catch(() => undefined);
}

/** The message shows the shape of the statement, because its values may be confidential. */
function rolledBack(database: DatabaseConnection, failed = database.failedStatement): ResilienceError {
  const reason =
    failed === undefined
      ? 'it had ended before its COMMIT'
      : `a statement in it had failed: ${fingerprint(failed.sql).slice(0, SNIPPET)}`;
  const message = `the transaction was rolled back, because ${reason}`;
  return new ResilienceError('TRANSACTION_ROLLED_BACK', message, { cause: failed?.error });
}

function isRetryable(error: unknown): boolean {
  let cause = error as { code?: unknown; cause?: unknown } | null | undefined;
  for (let depth = 0; depth < DEEPEST_CAUSE && cause != null; depth++) {
    if (typeof cause.code === 'string' && RETRYABLE.test(cause.code)) return true;
    cause = cause.cause as typeof cause;
  }
  return false;
}

/** A savepoint has the characteristics of its transaction: asking for others would be a promise that is not kept. */
function checkNested(outer: TransactionOptions, inner: TransactionOptions): void {
  for (const name of ['isolation', 'readOnly', 'deferrable'] as const) {
    if (inner[name] === undefined || inner[name] === outer[name] || inner[name] === false) continue;
    throw new TypeError(`transaction: option '${name}': a transaction inside another one has the outer one's`);
  }
}
