/** A database of a suite's own on the PostgreSQL server that all suites share. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';

export interface PostgresDatabase {
  readonly url: string;
  /** Removes every schema that the fleet's servers have made: the next test finds nothing. */
  clear(): Promise<void>;
  /** Removes the database, and closes the connections that are still open. */
  remove(): Promise<void>;
}

/** @param server URL of any database of the server, of a user that may create databases */
export async function createPostgresDatabase(server: string): Promise<PostgresDatabase> {
  const name = `suite_${randomUUID().replaceAll('-', '')}`;
  await run(server, `CREATE DATABASE ${name}`);
  await run(server, `ALTER DATABASE ${name} SET synchronous_commit = off`); // nothing here outlives the suite
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    clear: async () => {
      const schemas = await run(url.href, String.raw`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tooloo\_%'`);
      if (schemas.length > 0) await run(url.href, `DROP SCHEMA ${schemas.join(', ')} CASCADE`);
    },
    remove: async () => void (await run(server, `DROP DATABASE ${name} WITH (FORCE)`)),
  };
}

/** Runs a statement on a connection of its own; gives the first column. */
async function run(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text: statement, rowMode: 'array' });
    return rows.map(([value]) => value);
  } finally {
    await client.end();
  }
}
