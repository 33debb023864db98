/** The options of `postgresConnections`, as sessions of a real server show them. */
import { randomBytes } from 'node:crypto';
import { ConnectionPool, type Row } from '../../src/database/index.js';
import { postgresConnections, type PostgresConnectionsOptions } from '../../src/postgres.js';
import { describeWith, postgresService } from '../support/services.js';

describe('options that cannot be right', () => {
  test.each<[string, unknown, RegExp]>([
    ['no options', 5, /expected an object of options/],
    ['an empty URL', '', /'url'/],
    ['an unknown one', { hots: 'a' }, /hots/],
    ['a port that is text', { port: '5432' }, /'port'/],
    ['a negative timeout', { statementTimeout: -1 }, /'statementTimeout'/],
    ['a password that is neither', { password: 5 }, /'password'/],
    ['TLS by name', { ssl: 'require' }, /'ssl'/],
    ['an unknown kind of integers', { bigints: 'never' }, /'bigints'/],
    ['the place twice', { url: 'postgres://a/b', host: 'c' }, /'host'/],
  ])('%s', (_title, options, message) => expect(() => postgresConnections(options as never)).toThrow(message));
});

describeWith(postgresService, 'a session', (url) => {
  const { hostname, port, username, pathname } = new URL(url);
  const place = { host: hostname, port: Number(port || 5432), user: username, database: pathname.slice(1) };

  async function ask<T extends Row>(options: PostgresConnectionsOptions, sql: string): Promise<T> {
    const factory = postgresConnections(options);
    await using pool = new ConnectionPool({ factory, minConnections: 0, maxConnections: 1, connectionTimeout: 5000 });
    const { rows } = await pool.use((connection) => connection.query<T>(sql));
    return rows[0]!;
  }

  test('is opened at the place given in parts, under the name given', async () => {
    const sql = `SELECT current_user AS user, current_database() AS database, current_setting('application_name') AS name`;
    const asked = { user: place.user, database: place.database };
    expect(await ask({ ...place, applicationName: 'reports' }, sql)).toEqual({ ...asked, name: 'reports' });
    expect(await ask({ url }, sql)).toEqual({ ...asked, name: 'tooloo' });
  });

  test('has the timeouts given, and the server holds to them', async () => {
    const timeouts = { statementTimeout: 250, lockTimeout: 2000, idleInTransactionTimeout: 60_000 };
    const setting = (name: string): string => `current_setting('${name}') AS ${name}`;
    const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
    expect(await ask({ ...place, ...timeouts }, `SELECT ${names.map(setting).join(', ')}`)).toEqual({
      statement_timeout: '250ms',
      lock_timeout: '2s',
      idle_in_transaction_session_timeout: '1min',
    });
    await expect(ask({ ...place, ...timeouts }, 'SELECT pg_sleep(30)')).rejects.toMatchObject({ code: '57014' });
  });

  test('has the schema given, created as needed, as its search path', async () => {
    const schema = `options "${randomBytes(4).toString('hex')}`;
    const quoted = `"${schema.replace('"', '""')}"`;
    try {
      expect(await ask({ ...place, schema }, 'SELECT current_schema() AS schema')).toEqual({ schema });
    } finally {
      await ask(place, `DROP SCHEMA IF EXISTS ${quoted}`);
    }
  });

  test('asks the password function anew each time; what it throws is why connecting failed', async () => {
    const password = jest.fn(async () => 'token');
    const factory = postgresConnections({ ...place, password });
    const connections = [];
    for (let i = 0; i < 3; i++) connections.push(await factory.create(new AbortController().signal));
    expect(password).toHaveBeenCalledTimes(3);
    await Promise.all(connections.map((connection) => connection.close()));
    const broken = postgresConnections({ ...place, password: () => Promise.reject(new Error('vault sealed')) });
    await expect(broken.create(new AbortController().signal)).rejects.toThrow('vault sealed');
  });

  test('gives integers as asked', async () => {
    const sql = 'SELECT 1::bigint AS small, 9007199254740993::bigint AS large';
    expect(await ask(place, sql)).toEqual({ small: 1, large: 9007199254740993n });
    expect(await ask({ ...place, bigints: 'always' }, sql)).toEqual({ small: 1n, large: 9007199254740993n });
    expect(await ask({ ...place, bigints: 'number' }, sql)).toEqual({ small: 1, large: 9007199254740992 });
  });

  test('is refused, not silently open, where TLS is asked of a server without it', async () => {
    const { ssl } = await ask<{ ssl: string }>(place, `SELECT current_setting('ssl') AS ssl`);
    const factory = postgresConnections({ ...place, ssl: ssl === 'on' ? { ca: 'none' } : true });
    await expect(factory.create(new AbortController().signal)).rejects.toThrow(/SSL|TLS|certificate|PEM/i);
  });
});
