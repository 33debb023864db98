import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql, type Generated } from 'kysely';
import { openDatabase, type Migration, type OpenDatabaseOptions } from '../../../servers/support/database.js';
import { describeWith, postgresService } from '../../support/services.js';

interface Schema {
  notes: { id: Generated<number>; title: string; done: number };
}

const MIGRATIONS: readonly Migration[] = [
  {
    name: '001-notes',
    up: async (db, dialect) => {
      await db.schema
        .createTable('notes')
        .addColumn('id', dialect === 'sqlite' ? 'integer' : 'serial', (column) => column.primaryKey())
        .addColumn('title', 'text', (column) => column.notNull())
        .execute();
    },
  },
  {
    name: '002-done',
    up: async (db) => {
      await db.schema
        .alterTable('notes')
        .addColumn('done', 'integer', (column) => column.notNull().defaultTo(0))
        .execute();
    },
  },
];

const folder = mkdtempSync(join(tmpdir(), 'database-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newPath = (): string => join(folder, 'nested', `${++files}`, 'service.db');

/** The behaviour that is the same for every database. */
function suite(place: () => Omit<OpenDatabaseOptions, 'migrations'>): void {
  test('creates the schema and carries queries', async () => {
    await using opened = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    const inserted = await opened.db.insertInto('notes').values({ title: 'a', done: 0 }).executeTakeFirst();
    expect(inserted.numInsertedOrUpdatedRows).toBe(1n);
    await opened.db.insertInto('notes').values({ title: 'b', done: 1 }).execute();
    const rows = await opened.db.selectFrom('notes').selectAll().orderBy('id').execute();
    expect(rows).toEqual([
      { id: 1, title: 'a', done: 0 },
      { id: 2, title: 'b', done: 1 },
    ]);
    const { count } = await opened.db
      .selectFrom('notes')
      .select((eb) => eb.fn.countAll().as('count'))
      .executeTakeFirstOrThrow();
    expect(count).toBe(2);
    const updated = await opened.db.updateTable('notes').set({ done: 1 }).executeTakeFirst();
    expect(updated.numUpdatedRows).toBe(2n);
  });

  test('returns the rows of a write', async () => {
    await using opened = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    const row = await opened.db.insertInto('notes').values({ title: 'a', done: 0 }).returningAll().executeTakeFirst();
    expect(row).toEqual({ id: 1, title: 'a', done: 0 });
  });

  test('commits a transaction, and rolls one back that throws', async () => {
    await using opened = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    const { db } = opened;
    await db.transaction().execute((trx) => trx.insertInto('notes').values({ title: 'kept', done: 0 }).execute());
    const failing = db.transaction().execute(async (trx) => {
      await trx.insertInto('notes').values({ title: 'gone', done: 0 }).execute();
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await db.selectFrom('notes').select('title').execute()).toEqual([{ title: 'kept' }]);
    expect(opened.pool.getStats()).toMatchObject({ activeCount: 0, dirtyReturns: 0 });
  });

  test('counts up correctly under concurrent read-then-write transactions', async () => {
    await using opened = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    const { db } = opened;
    await db.insertInto('notes').values({ title: 'counter', done: 0 }).execute();
    const increment = (): Promise<unknown> =>
      db.transaction().execute(async (trx) => {
        const query = trx.selectFrom('notes').select('done');
        const { done } = await (
          opened.pool.dialect === 'postgres' ? query.forUpdate() : query
        ).executeTakeFirstOrThrow();
        await trx
          .updateTable('notes')
          .set({ done: done + 1 })
          .execute();
      });
    await Promise.all(Array.from({ length: 40 }, increment));
    expect(await db.selectFrom('notes').select('done').execute()).toEqual([{ done: 40 }]);
  });

  test('the query optimizer sees only shapes, never values', async () => {
    await using opened = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    await opened.db.selectFrom('notes').selectAll().where('title', '=', 'secret').execute();
    const shapes = opened.optimizer.getStats().statements.map(({ fingerprint }) => fingerprint);
    expect(shapes).toContain('select * from notes where title = ?');
    expect(JSON.stringify(opened.optimizer.getStats())).not.toContain('secret');
  });

  test('streams', async () => {
    await using opened = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    for (const title of ['a', 'b', 'c']) await opened.db.insertInto('notes').values({ title, done: 0 }).execute();
    const titles: string[] = [];
    for await (const { title } of opened.db.selectFrom('notes').select('title').orderBy('id').stream(2))
      titles.push(title);
    expect(titles).toEqual(['a', 'b', 'c']);
  });

  test('a migration that fails leaves nothing behind and is named', async () => {
    const where = place();
    const broken: Migration = {
      name: '003-broken',
      up: async (db) => {
        await db.schema.createTable('half').addColumn('a', 'text').execute();
        await sql`select * from nowhere`.execute(db);
      },
    };
    const opening = openDatabase({ ...where, migrations: [...MIGRATIONS, broken] });
    await expect(opening).rejects.toThrow("migration '003-broken' failed");
    await using opened = await openDatabase<Schema>({ ...where, migrations: MIGRATIONS });
    await expect(sql`select * from half`.execute(opened.db)).rejects.toThrow(/half/);
  });

  test('two migrations of one name are refused', async () => {
    const twice = [MIGRATIONS[0]!, MIGRATIONS[0]!];
    await expect(openDatabase({ ...place(), migrations: twice })).rejects.toThrow("named '001-notes'");
  });

  test('closing twice is closing once', async () => {
    const { close, db } = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    await Promise.all([close(), close()]);
    await close();
    await expect(db.selectFrom('notes').selectAll().execute()).rejects.toMatchObject({ code: 'POOL_CLOSED' });
  });
}

/** Data must survive the process that wrote it. */
function persistence(place: () => Omit<OpenDatabaseOptions, 'migrations'>): void {
  test('keeps the data when opened again, and applies only new migrations', async () => {
    const where = place();
    const info = jest.fn();
    const log = { info, warn: jest.fn() };
    const first = await openDatabase<Schema>({ ...where, migrations: MIGRATIONS.slice(0, 1), log });
    await sql`insert into notes (title) values ('a')`.execute(first.db);
    await first.close();
    const second = await openDatabase<Schema>({ ...where, migrations: MIGRATIONS, log });
    expect(await second.db.selectFrom('notes').selectAll().execute()).toEqual([{ id: 1, title: 'a', done: 0 }]);
    await second.close();
    expect(info.mock.calls).toEqual([
      [{ migrations: ['001-notes'] }, 'database migrated'],
      [{ migrations: ['002-done'] }, 'database migrated'],
    ]);
  });

  test('several instances that start concurrently migrate once', async () => {
    const where = place();
    const opening = Array.from({ length: 5 }, () => openDatabase<Schema>({ ...where, migrations: MIGRATIONS }));
    const instances = await Promise.all(opening);
    const names = await sql<{ name: string }>`select name from schema_migrations order by name`.execute(
      instances[0]!.db,
    );
    expect(names.rows).toEqual([{ name: '001-notes' }, { name: '002-done' }]);
    await Promise.all(instances.map(({ close }) => close()));
  });
}

describe('in memory', () => suite(() => ({ path: ':memory:' })));

describe('SQLite file', () => {
  suite(() => ({ path: newPath() }));
  persistence(() => ({ path: newPath() }));

  test('creates nested folders', async () => {
    const path = newPath();
    await (await openDatabase({ path, migrations: [] })).close();
    expect(existsSync(path)).toBe(true);
  });

  test('a file that cannot grow is reported as STORAGE_FULL', async () => {
    await using opened = await openDatabase<Schema>({ path: newPath(), migrations: MIGRATIONS });
    await sql`pragma max_page_count = 8`.execute(opened.db);
    const insert = opened.db.insertInto('notes').values({ title: 'x'.repeat(100_000), done: 0 });
    await expect(insert.execute()).rejects.toMatchObject({ code: 'STORAGE_FULL', status: 507 });
  });

  test('reads continue while a transaction writes', async () => {
    await using opened = await openDatabase<Schema>({ path: newPath(), migrations: MIGRATIONS });
    await opened.db.transaction().execute(async (trx) => {
      await trx.insertInto('notes').values({ title: 'a', done: 0 }).execute();
      expect(await opened.db.selectFrom('notes').selectAll().execute()).toEqual([]);
    });
  });
});

describeWith(postgresService, 'PostgreSQL', (url) => {
  const schemas: string[] = [];
  const place = (): Omit<OpenDatabaseOptions, 'migrations'> => {
    const schema = `test_${randomBytes(6).toString('hex')}`;
    schemas.push(schema);
    return { url, schema };
  };
  afterAll(async () => {
    await using opened = await openDatabase({ url, schema: schemas[0], migrations: [] });
    for (const schema of schemas) await sql`drop schema if exists ${sql.ref(schema)} cascade`.execute(opened.db);
  });
  suite(place);
  persistence(place);

  /** Terminates its own session the first time. */
  const suicide = sql`case when nextval('deaths') = 1 then pg_terminate_backend(pg_backend_pid()) end`.as('died');

  test('a read whose session the server terminates is retried in another session', async () => {
    await using opened = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    await sql`create sequence deaths`.execute(opened.db);
    expect(await opened.db.selectNoFrom(suicide).execute()).toEqual([{ died: null }]);
    expect(opened.pool.getStats()).toMatchObject({ activeCount: 0 });
  });

  test('within a transaction it is not retried: the caller gets CONNECTION_LOST', async () => {
    await using opened = await openDatabase<Schema>({ ...place(), migrations: MIGRATIONS });
    await sql`create sequence deaths`.execute(opened.db);
    const transaction = opened.db.transaction().execute(async (trx) => {
      await trx.insertInto('notes').values({ title: 'gone', done: 0 }).execute();
      await trx.selectNoFrom(suicide).execute();
    });
    await expect(transaction).rejects.toMatchObject({ code: 'CONNECTION_LOST', status: 503 });
    expect(await opened.db.selectFrom('notes').selectAll().execute()).toEqual([]);
  });
});
