/** The doctor before a running server, and as a command. */
import express from 'express';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { examineEnvironment } from '../../src/doctor/environment-checks.js';
import { FINDINGS } from '../../src/doctor/findings.js';
import { runDoctor } from '../../src/doctor/program.js';
import { examineServer } from '../../src/doctor/server-checks.js';
import { cacheResponse, healthEndpoints, rateLimit } from '../../src/middleware/index.js';

const open: Array<{ close(): unknown }> = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function kept<T extends { close(): unknown }>(one: T): T {
  open.push(one);
  return one;
}

const codesOf = async (url: string): Promise<string[]> =>
  (await examineServer(url)).map(({ code }) => code.replace('TOOLOO_DOCTOR_', ''));

describe('a running server', () => {
  test('one with the lines of the README is right', async () => {
    const app = express().use(kept(healthEndpoints()), kept(rateLimit()), kept(cacheResponse()));
    app.get('/', (_req, res) => void res.set('Cache-Control', 'max-age=60').send('page'));
    expect(await codesOf(await serve(app))).toEqual([]);
  });

  test('a bare one has neither limit nor health', async () => {
    expect(await codesOf(await serve(express()))).toEqual(['NO_LIMIT', 'NO_HEALTH']);
  });

  test('open details, open control, an address that the client chooses', async () => {
    const app = express().use(kept(healthEndpoints({ details: 'always' })));
    app.use(kept(rateLimit({ trustProxy: true, warnings: false })));
    app.use(kept(cacheResponse({ control: 'loopback' })));
    expect(await codesOf(await serve(app))).toEqual(['TRUST_ALL', 'DETAILS_OPEN', 'CONTROL_OPEN']);
  });

  test('pages of one session for another, and a cookie for everybody', async () => {
    const app = express().use(kept(healthEndpoints()), kept(rateLimit()), kept(cacheResponse({ cookies: 'ignore' })));
    app.get('/account', (_req, res) => void res.set('Cache-Control', 'max-age=60').send('yours'));
    app.get('/shared', (_req, res) => void res.set('Cache-Control', 'public, max-age=60').cookie('a', 'b').send('all'));
    const url = await serve(app);
    expect(await codesOf(`${url}account`)).toEqual(['CACHE_SESSIONS']);
    expect(await codesOf(`${url}shared`)).toEqual(['PUBLIC_COOKIE']);
  });

  test('no server at the address, and an invalid address', async () => {
    expect(await codesOf('http://127.0.0.1:1/')).toEqual(['UNREACHABLE']);
    await expect(examineServer('ftp://127.0.0.1/')).rejects.toThrow(TypeError);
  });
});

describe('the environment', () => {
  test('a store without a listener and an invalid address are reported, and a store that listens is not', async () => {
    const url = new URL(await serve(express()));
    const found = await examineEnvironment({
      REDIS_URL: 'redis://127.0.0.1:1',
      DATABASE_URL: `postgres://${url.host}/shop`,
    });
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringContaining('REDIS_URL: nothing answers at 127.0.0.1:1'),
    ]);
    expect(await examineEnvironment({ REDIS_URL: 'localhost' })).toMatchObject([
      { code: 'TOOLOO_DOCTOR_STORE_UNREACHABLE' },
    ]);
    expect(await examineEnvironment({})).toEqual([]);
  });
});

describe('the command', () => {
  async function run(args: readonly string[], exported?: unknown) {
    const lines: string[] = [];
    const load = () => (exported instanceof Error ? Promise.reject(exported) : Promise.resolve(exported));
    const code = await runDoctor(args, { load, print: (line) => void lines.push(line) });
    return { code, text: lines.join('\n') };
  }

  test('finds the application among the exports of ES modules and CommonJS', async () => {
    const app = express()
      .use(kept(healthEndpoints()))
      .get('/health', (_req, res) => res.send('mine'));
    const server = createServer(app);
    for (const exported of [{ default: app }, { app }, { default: { app } }, { server }, app]) {
      const { code, text } = await run(['app.js'], exported);
      expect(text).toContain('TOOLOO_DOCTOR_HEALTH_ROUTE, docs/doctor.md#tooloo_doctor_health_route');
      expect(text).toContain('TOOLOO_DOCTOR_NO_SHUTDOWN');
      expect(code).toBe(1);
    }
  });

  test('a module that only listens does not, and is looked at', async () => {
    const servers: Server[] = [];
    const load = (): Promise<unknown> => {
      const health = kept(healthEndpoints());
      const server = express().use(health).listen(0);
      process.once('SIGTERM', onSignal);
      process.emit('warning', Object.assign(new Error('a warning of its own'), { code: 'TOOLOO_LIMIT_NO_ADDRESS' }));
      servers.push(server);
      return Promise.resolve({});
    };
    const onSignal = (): void => undefined;
    const lines: string[] = [];
    await runDoctor(['--json', 'app.js'], { load, print: (line) => void lines.push(line) });
    process.off('SIGTERM', onSignal);
    expect(servers[0]!.listening).toBe(false);
    expect((JSON.parse(lines.join('')) as Array<{ code: string }>).map(({ code }) => code)).toEqual([
      'TOOLOO_DOCTOR_EMITTED',
    ]);
    expect(lines.join('')).toContain('docs/errors.md#tooloo_limit_no_address');
    expect(await serve(express())).toMatch(/^http/); // listening works again
  });

  test('wrong arguments, a module that fails, and one without an application', async () => {
    expect((await run([])).code).toBe(2);
    expect(await run(['--loud', 'app.js'])).toMatchObject({ code: 2, text: expect.stringContaining('Usage') });
    expect(await run(['app.js'], new Error('no database'))).toMatchObject({
      code: 2,
      text: expect.stringContaining('no database'),
    });
    expect((await run(['app.js'], { version: 1 })).text).toContain('TOOLOO_DOCTOR_NO_APPLICATION');
  });
});

test('docs/doctor.md has a section for every code, with its severity and title, and no other', () => {
  const text = readFileSync(join(__dirname, '../../docs/doctor.md'), 'utf8');
  const sections = [...text.matchAll(/^### (TOOLOO_\w+)\n\n(\w+): (.+)\.$/gm)].map(([, code, severity, title]) => [
    code,
    [severity!.toLowerCase(), title],
  ]);
  expect(Object.fromEntries(sections)).toEqual(FINDINGS);
  expect(sections.map(([code]) => code)).toEqual(Object.keys(FINDINGS));
});
