/** One suite on every database the servers can stand on: a SQLite file, and a schema of its own in PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import {
  openDatabase,
  type Migration,
  type OpenDatabaseOptions,
  type OpenedDatabase,
} from '../../servers/support/database.js';
import { describeWith, postgresService } from './services.js';

/** Opens the test's database through one more pool, as one more process would. */
export type Open = <S>(migrations: readonly Migration[]) => Promise<OpenedDatabase<S>>;

/** Runs the tests of `suite` on each database. Everything that a test opens is closed and removed after it. */
export function onEachDatabase(suite: (open: Open) => void): void {
  describe('on SQLite', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'database-'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));
    suite(opener(() => ({ path: join(folder, 'service.db') })));
  });

  describeWith(postgresService, 'on PostgreSQL', (url) => {
    let schema: string;
    beforeEach(() => {
      schema = `suite_${randomUUID().replaceAll('-', '')}`;
    });
    afterEach(async () => {
      const { db, close } = await openDatabase({ url, migrations: [] });
      await sql`drop schema if exists ${sql.id(schema)} cascade`.execute(db);
      await close();
    });
    suite(opener(() => ({ url, schema })));
  });
}

/** Jest runs the last `afterEach` first: everything is closed here before its place is removed above. */
function opener(place: () => Omit<OpenDatabaseOptions, 'migrations'>): Open {
  const opened: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
  });
  return async <S>(migrations: readonly Migration[]) => {
    const database = await openDatabase<S>({ ...place(), migrations });
    opened.push(database);
    return database;
  };
}
