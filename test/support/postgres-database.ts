/** A database of a suite's own on the PostgreSQL server that all suites share. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';

export interface PostgresDatabase {
  readonly url: string;
  /**
   * Empties every table that the fleet's servers have made: the next test finds no data, not even what a migration
   * inserted. The tables stay, because to make them again takes ten times as long as most tests.
   */
  clear(): Promise<void>;
  /** Removes the database, and closes the connections that are still open. */
  remove(): Promise<void>;
}

/**
 * Empties all tables of the fleet but those that record which migrations were applied. `DELETE`, because `TRUNCATE` waits for
 * the disk for each table; without triggers, so that foreign keys give no order.
 */
const CLEAR = String.raw`
  DO $$
  DECLARE one record;
  BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN
      SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
      WHERE schemaname LIKE 'tooloo\_%' AND tablename <> 'schema_migrations'
    LOOP
      EXECUTE 'DELETE FROM ' || one.name;
    END LOOP;
    PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
    WHERE schemaname LIKE 'tooloo\_%' AND last_value IS NOT NULL;
  END $$`;

/** @param server URL of any database of the server, of a user that may create databases */
export async function createPostgresDatabase(server: string): Promise<PostgresDatabase> {
  const name = `suite_${randomUUID().replaceAll('-', '')}`;
  await run(server, `CREATE DATABASE ${name}`);
  await run(server, `ALTER DATABASE ${name} SET synchronous_commit = off`); // nothing here outlives the suite
  const url = new URL(server);
  url.pathname = `/${name}`;
  const client = new pg.Client(url.href); // kept, because every test clears and a connection takes longer than that
  await client.connect();
  return {
    url: url.href,
    clear: async () => void (await client.query(CLEAR)),
    async remove() {
      await client.end();
      await run(server, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

/** Runs a statement on a connection of its own. */
async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
