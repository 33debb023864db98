/** Brings a database to the schema the code expects: each migration once, in order, in a transaction of its own. */
import { sql, type Kysely, type Transaction } from 'kysely';
import type { Dialect } from '../../src/index.js';

export interface Migration {
  /** Unique and never changed once released, e.g. '001-sessions'. Recorded in the table `schema_migrations`. */
  readonly name: string;
  /** Makes the change, through this transaction only. */
  up(db: Transaction<unknown>, dialect: Dialect): Promise<void>;
}

interface MigrationTables {
  schema_migrations: { name: string; applied_at: string };
}

/** Any number, the same in every process: whoever holds it at PostgreSQL may change the schema. */
const ADVISORY_LOCK = 7_413_009_211;

/**
 * Takes the right to change the schema until the transaction ends. Several processes of one service may start at once:
 * one migrates, the others wait here and then find it done.
 */
async function lockSchema(db: Transaction<MigrationTables>, dialect: Dialect): Promise<void> {
  // On SQLite the transaction began with BEGIN IMMEDIATE, which is that right already.
  if (dialect === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(ADVISORY_LOCK)})`.execute(db);
}

async function applyOnce(db: Transaction<MigrationTables>, migration: Migration, dialect: Dialect): Promise<boolean> {
  await lockSchema(db, dialect);
  await db.schema
    .createTable('schema_migrations')
    .ifNotExists()
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('applied_at', 'text', (column) => column.notNull())
    .execute();
  const { name } = migration;
  const done = await db.selectFrom('schema_migrations').select('name').where('name', '=', name).executeTakeFirst();
  if (done !== undefined) return false;
  await migration.up(db as unknown as Transaction<unknown>, dialect);
  await db.insertInto('schema_migrations').values({ name, applied_at: new Date().toISOString() }).execute();
  return true;
}

/**
 * Applies the migrations that this database has not seen, in the order given.
 *
 * @returns the names of those applied now
 * @throws Error naming the migration that failed; those before it stay, it leaves nothing behind
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
  for (const migration of migrations) {
    const run = (transaction: Transaction<MigrationTables>): Promise<boolean> =>
      applyOnce(transaction, migration, dialect);
    try {
      const isNew = await (db as unknown as Kysely<MigrationTables>).transaction().execute(run);
      if (isNew) applied.push(migration.name);
    } catch (error) {
      throw new Error(`migration '${migration.name}' failed: ${(error as Error).message}`, { cause: error });
    }
  }
  return applied;
}
