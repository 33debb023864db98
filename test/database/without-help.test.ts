/**
 * Programs that consist of top-level awaits, without a server or a socket. What they await must settle, even if
 * something fails.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { describeWhereBuilt } from '../support/services.js';

const root = join(__dirname, '../..');
const DRIVER = dirname(require.resolve('better-sqlite3/package.json'));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'without-help-'));
  mkdirSync(join(folder, 'node_modules'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Bundles the program as an ES module and runs it in the folder. Its last line is JSON; it must end by itself. */
function run(body: string): unknown {
  const source = join(folder, 'program.ts');
  const outfile = join(folder, 'program.mjs');
  const from = JSON.stringify(join(root, 'src'));
  writeFileSync(
    source,
    `import { ConnectionPool, sqliteConnections, sqliteThreadConnections } from ${from.slice(0, -1)}/database/index.ts";
    import { DiskCacheLayer } from ${from.slice(0, -1)}/caching/disk-cache-layer.ts";
    const failure = async (work) => { try { await work(); } catch ({ code, message }) { return { code, message }; } };
    const tell = (value) => console.log(JSON.stringify(value));
    ${body}`,
  );
  buildSync({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    nodePaths: [join(root, 'node_modules')],
  });
  const { stdout, stderr, status } = spawnSync(process.execPath, [outfile], { encoding: 'utf8', cwd: folder });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** From 22.13 on Node has a driver of its own, which then takes over. */
const hasNodeSqlite =
  (process as { getBuiltinModule?: (id: string) => unknown }).getBuiltinModule?.('node:sqlite') !== undefined;

const takenOver = hasNodeSqlite ? 'this Node has node:sqlite, which takes over' : undefined;
describeWhereBuilt(takenOver, 'a driver whose binary does not load', () => {
  const broken = (): void => {
    const copy = join(folder, 'node_modules/better-sqlite3');
    const binary = join(copy, 'build/Release/better_sqlite3.node');
    cpSync(join(DRIVER, 'lib'), join(copy, 'lib'), { recursive: true });
    cpSync(join(DRIVER, 'package.json'), join(copy, 'package.json'));
    for (const helper of ['bindings', 'file-uri-to-path']) {
      cpSync(join(root, 'node_modules', helper), join(folder, 'node_modules', helper), { recursive: true });
    }
    mkdirSync(dirname(binary), { recursive: true });
    writeFileSync(binary, 'built for another machine');
  };
  const explanation = {
    code: 'DRIVER_UNAVAILABLE',
    message: expect.stringMatching(/better-sqlite3.* cannot be loaded by Node .*npm rebuild better-sqlite3/) as string,
  };

  test('is named to every caller of the pool at once, and what to do', () => {
    broken();
    const seen = run(`
      const ask = (factory) => {
        const pool = new ConnectionPool({ factory });
        return failure(() => pool.use((connection) => connection.query('SELECT 1')));
      };
      const factories = [sqliteConnections(':memory:'), sqliteConnections('a.db'), sqliteThreadConnections('b.db')];
      tell(await Promise.all(factories.map(ask)));`);
    expect(seen).toEqual([explanation, explanation, explanation]);
  });

  test('is the reason why a pool cannot be initialized', () => {
    broken();
    const seen = run(`tell(await failure(() => new ConnectionPool().initialize()));`);
    expect(seen).toEqual({ ...explanation, code: 'CONNECTION_FAILED' });
  });

  test('is reported by the disk cache, and so is a missing binary', () => {
    broken();
    rmSync(join(folder, 'node_modules/better-sqlite3/build'), { recursive: true });
    const seen = run(`tell(await failure(() => new DiskCacheLayer({ dbPath: 'cache.db' })));`);
    expect(seen).toEqual(explanation);
  });
});

describe('with the driver', () => {
  beforeEach(() => {
    for (const name of ['better-sqlite3', 'bindings', 'file-uri-to-path']) {
      const installed = join(root, 'node_modules', name);
      if (existsSync(installed)) symlinkSync(installed, join(folder, 'node_modules', name));
    }
  });

  test('a caller that waits for a connection gets its answer', () => {
    const seen = run(`
      const pool = new ConnectionPool({ maxConnections: 1, connectionTimeout: 300 });
      const inner = (timeout) => failure(() => pool.use(() => pool.use(() => 1, { timeout })));
      tell([(await inner()).code, (await inner(250)).code]);`);
    expect(seen).toEqual(['POOL_TIMEOUT', 'POOL_TIMEOUT']);
  });

  test('a caller that has been served does not keep the program running', () => {
    const seen = run(`
      const pool = new ConnectionPool({ maxConnections: 1, connectionTimeout: 600_000 });
      const use = () => pool.use((connection) => connection.query('SELECT 1 AS one'));
      const answers = await Promise.all([use(), use(), use()]);
      tell(answers.map(({ rows }) => rows[0].one));`);
    expect(seen).toEqual([1, 1, 1]);
  });

  test('a drain that waits for a connection that is never returned ends', () => {
    const seen = run(`
      const pool = new ConnectionPool();
      await pool.acquire();
      await pool.drain({ timeout: 50 });
      tell(pool.getStats().poolSize);`);
    expect(seen).toBe(0);
  });

  test('a write waits for that of another pool', () => {
    const seen = run(`
      const open = () => new ConnectionPool({ factory: sqliteConnections('a.db', { busyTimeout: 200 }) });
      const [one, other] = [open(), open()];
      const writing = await one.acquire();
      await writing.query('BEGIN IMMEDIATE');
      tell(await failure(() => other.use((connection) => connection.query('CREATE TABLE t (a)'))));`);
    expect(seen).toMatchObject({ code: 'SQLITE_BUSY' });
  });
});
