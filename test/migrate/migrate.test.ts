/** Ten configurations per package are rewritten to the recorded results, and the rewritten code runs. */
import express from 'express';
import { Redis } from 'ioredis';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import * as ts from 'typescript';
import * as kit from '../../src/index.js';
import { MIGRATE_USAGE, MIGRATIONS, migrateText, runMigrate } from '../../src/migrate.js';
import * as postgres from '../../src/postgres.js';
import * as redisEntry from '../../src/redis.js';
import { configurationsOf, type Configuration } from './configurations.js';

/** A primary process whose workers do nothing. */
const CLUSTER = { isPrimary: true, fork: () => ({}) };

const ENTRIES: Readonly<Record<string, unknown>> = {
  'node:cluster': CLUSTER,
  '@tooloo/resilience': kit,
  '@tooloo/resilience/redis': redisEntry,
  '@tooloo/resilience/postgres': postgres,
};

/** Code that still calls the package, which is not installed here, or a method that is to be converted by hand. */
const isLeftToDo = ({ notes }: Configuration): boolean =>
  notes.some((note) => note.includes('still imported from') || note.includes('fallback():'));

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Runs code as a module of CommonJS, with what its surroundings would have; returns what it exports, and its application. */
function run(code: string) {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const app = express().use(express.json());
  const server = createServer(app);
  const redis = new Redis({ lazyConnect: true });
  const signals: Array<() => void> = [];
  const surroundings = {
    app,
    server,
    redis,
    pool: { query: () => Promise.resolve({ rows: [] }) },
    callService: (id: unknown) => Promise.resolve(`service ${String(id)}`),
    process: { on: (_name: string, call: () => void) => signals.push(call), once: () => undefined, env: {} },
    console: { log: () => undefined, error: () => undefined },
  };
  const exported: Record<string, unknown> = {};
  const load = (name: string): unknown => tracked(ENTRIES[name] as Record<string, unknown>);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code that is tested
  const program = new Function('require', 'exports', ...Object.keys(surroundings), outputText);
  program(load, exported, ...Object.values(surroundings));
  return { app, server, exported, signals };
}

/** The parts that the code makes are closed after the test. */
function tracked(entry: Record<string, unknown>): Record<string, unknown> {
  const keep = (made: unknown): unknown => {
    const { close, shutdown } = made as { close?: () => unknown; shutdown?: (server?: unknown) => unknown };
    if (typeof close === 'function') closing.push(() => close.call(made));
    else if (typeof shutdown === 'function') closing.push(() => shutdown.call(made));
    return made;
  };
  const wrap = (value: unknown): unknown =>
    typeof value !== 'function'
      ? value
      : new Proxy(value, {
          apply: (target, self, args: unknown[]) => keep(Reflect.apply(target as () => unknown, self, args)),
          construct: (target, args: unknown[]) => keep(Reflect.construct(target, args)) as object,
        });
  return Object.fromEntries(Object.entries(entry).map(([name, value]) => [name, wrap(value)]));
}

describe.each(MIGRATIONS.map((migration) => [migration.peer, migration] as const))('%s', (peer, migration) => {
  const configurations = configurationsOf(peer.replace('@godaddy/', ''));

  test('has ten configurations or more', () => expect(configurations.length).toBeGreaterThanOrEqual(10));

  test.each(configurations.map((one, index) => [index + 1, one] as const))('configuration %d', async (_index, one) => {
    const { text, notes } = migrateText(ts, migration, 'app.ts', one.before);
    expect(text).toBe(one.after);
    expect(notes.map(({ line, message }) => `${line}: ${message}`)).toEqual(one.notes);
    const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    if (!isLeftToDo(one)) run(text);
    emitWarning.mockRestore();
  });

  test('a file that does not import it stays as it is', () => {
    const text = `import x from '${peer}-other';\nx();\n`;
    expect(migrateText(ts, migration, 'app.ts', text)).toEqual({ text, isChanged: false, notes: [] });
  });
});

describe('what was rewritten does what it did', () => {
  const after = (peer: string, index: number): string => configurationsOf(peer)[index - 1]!.after;

  test('express-rate-limit: the limit of a window', async () => {
    const { app } = run(`${after('express-rate-limit', 2)}\napp.get('/api', (req, res) => res.send('ok'));`);
    const statuses = [];
    for (let i = 0; i < 22; i++) statuses.push((await request(app).get('/api')).status);
    expect(statuses).toEqual([...Array<number>(20).fill(200), 429, 429]);
  });

  test('rate-limiter-flexible: consume rejects at once, and delete forgets', async () => {
    const { app } = run(after('rate-limiter-flexible', 2));
    const login = async () => (await request(app).post('/login').send({ user: 'ada' })).status;
    expect(await login()).toBe(200);
    const { app: limited } = run(after('rate-limiter-flexible', 1));
    limited.get('/', (_req, res) => void res.send('ok'));
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await request(limited).get('/')).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  test('rate-limiter-flexible: the workers of a cluster limit, and the primary process has the store that they ask', async () => {
    const code = after('rate-limiter-flexible', 11);
    run(code);
    expect(closing).toHaveLength(1);
    CLUSTER.isPrimary = false;
    const { app } = run(code);
    CLUSTER.isPrimary = true;
    app.get('/', (_req, res) => void res.send('ok'));
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await request(app).get('/')).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  test('opossum: fire calls the function, and fallback answers where it fails', async () => {
    const { exported } = run(after('opossum', 2));
    expect(await (exported['load'] as (id: string) => Promise<string>)('7')).toBe('service 7');
    const failing = after('opossum', 2).replace('callService(id', 'Promise.reject(id');
    expect(await (run(failing).exported['load'] as (id: string) => Promise<string>)('7')).toBe('sorry');
  });

  test('apicache: one run of the handler', async () => {
    let runs = 0;
    const { app } = run(after('apicache', 3));
    app.get('/', (_req, res) => void res.json(++runs));
    const get = async () => (await request(app).get('/').set('Host', 'shop.example')).body as number;
    expect([await get(), await get()]).toEqual([1, 1]);
  });

  test('terminus: the paths of the checks', async () => {
    const { app, signals } = run(`${after('terminus', 3)}\napp.use(health);`);
    expect((await request(app).get('/live')).status).toBe(200);
    expect((await request(app).get('/ready')).status).toBe(200);
    expect(signals).toHaveLength(2);
  });
});

describe('the command', () => {
  async function command(args: readonly string[], loadCompiler = () => Promise.resolve(ts)) {
    const lines: string[] = [];
    const code = await runMigrate(args, { loadCompiler, print: (line) => void lines.push(line) });
    return { code, text: lines.join('\n') };
  }

  test('rewrites the files of a folder, or prints what it would', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'migrate-'));
    try {
      const [one] = configurationsOf('express-rate-limit');
      const path = join(folder, 'app.js');
      writeFileSync(path, one!.before);
      writeFileSync(join(folder, 'notes.txt'), one!.before);
      expect(await command(['--dry-run', 'express-rate-limit', folder])).toMatchObject({
        code: 0,
        text: expect.stringContaining('would rewrite'),
      });
      expect(readFileSync(path, 'utf8')).toBe(one!.before);
      expect((await command(['express-rate-limit', folder])).text).toMatch(/^rewrote .*app\.js\n1 files, 0 notes/);
      expect(readFileSync(path, 'utf8')).toBe(one!.after);
      expect((await command(['express-rate-limit', folder])).text).toMatch(/^0 files/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('wrong arguments, a missing file, and no compiler', async () => {
    expect(await command(['lodash'])).toEqual({ code: 2, text: MIGRATE_USAGE });
    expect((await command(['--help'])).code).toBe(0);
    expect((await command(['terminus', '/no/such/file'])).text).toContain('ENOENT');
    const missing = await command(['opossum'], () => Promise.reject(new Error('TypeScript is not installed')));
    expect(missing).toEqual({ code: 2, text: 'tooloo-migrate: TypeScript is not installed' });
  });
});

test('docs/migrating.md has a table of every option', () => {
  const text = readFileSync(join(__dirname, '../../docs/migrating.md'), 'utf8');
  for (const { peer, tables } of MIGRATIONS) {
    expect(text).toContain(`## ${peer}\n`);
    for (const [title, rows] of Object.entries(tables)) {
      const lines = Object.entries(rows).map(([option, row]) => `${option} ${row.verdict}`);
      const start = text.indexOf(`### ${title.replaceAll('`', '')}`, text.indexOf(`## ${peer}\n`));
      const section = text.slice(start, text.indexOf('\n#', start + 1));
      const listed = [...section.matchAll(/^\| `(\w+)`\s*\| (same|different|none)/gm)].map(
        ([, option, verdict]) => `${option} ${verdict}`,
      );
      expect(listed).toEqual(lines);
    }
  }
});
