/** Migrates a database to the current schema: each migration once, in order, in its own transaction. */
import { sql, type Kysely, type Transaction } from 'kysely';
import type { Dialect } from '../../src/index.js';

export interface Migration {
  /** Unique, and never changed after release, e.g. '001-sessions'. Recorded in the table `schema_migrations`. */
  readonly name: string;
  /** Makes the change. It uses only this transaction. */
  up(db: Transaction<unknown>, dialect: Dialect): Promise<void>;
}

interface MigrationTables {
  schema_migrations: { name: string; applied_at: string };
}

/** An arbitrary number, equal in all processes. The holder of this PostgreSQL lock may change the schema. */
const ADVISORY_LOCK = 7_413_009_211;

/**
 * Locks the schema until the transaction ends. If several processes of a service start together, one migrates. The
 * others wait here and then find the work done.
 */
async function lockSchema(db: Transaction<MigrationTables>, dialect: Dialect): Promise<void> {
  // On SQLite, the transaction began with BEGIN IMMEDIATE, which already holds the write lock.
  if (dialect === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(ADVISORY_LOCK)})`.execute(db);
}

/** The names of the migrations that the database has. Read together, because a start finds nearly always all of them. */
async function appliedNames(db: Transaction<MigrationTables>, dialect: Dialect): Promise<ReadonlySet<string>> {
  await lockSchema(db, dialect);
  await db.schema
    .createTable('schema_migrations')
    .ifNotExists()
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('applied_at', 'text', (column) => column.notNull())
    .execute();
  const rows = await db.selectFrom('schema_migrations').select('name').execute();
  return new Set(rows.map(({ name }) => name));
}

async function applyOnce(db: Transaction<MigrationTables>, migration: Migration, dialect: Dialect): Promise<boolean> {
  await lockSchema(db, dialect);
  const { name } = migration;
  const done = await db.selectFrom('schema_migrations').select('name').where('name', '=', name).executeTakeFirst();
  if (done !== undefined) return false;
  await migration.up(db as unknown as Transaction<unknown>, dialect);
  await db.insertInto('schema_migrations').values({ name, applied_at: new Date().toISOString() }).execute();
  return true;
}

/**
 * Applies the migrations that this database does not have yet, in the given order.
 *
 * @returns the names of the migrations applied now
 * @throws Error naming the migration that failed. It is rolled back; the earlier ones remain.
 */
export async function migrate(
  db: Kysely<unknown>,
  migrations: readonly Migration[],
  dialect: Dialect,
): Promise<string[]> {
  const names = migrations.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`two migrations are named '${twice}'`);
  const applied: string[] = [];
  const tables = db as unknown as Kysely<MigrationTables>;
  const known = await tables.transaction().execute((transaction) => appliedNames(transaction, dialect));
  for (const migration of migrations.filter(({ name }) => !known.has(name))) {
    try {
      const isNew = await tables.transaction().execute((transaction) => applyOnce(transaction, migration, dialect));
      if (isNew) applied.push(migration.name);
    } catch (error) {
      throw new Error(`migration '${migration.name}' failed: ${(error as Error).message}`, { cause: error });
    }
  }
  return applied;
}
