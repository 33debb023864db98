/** A fleet whose web server has two workers: what the orchestrator and the other services see of it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkToken } from '../../servers/web/session.js';
import { eventually, until } from '../support/eventually.js';
import { buildFleet, isAlive, startFleet, type RunningFleet } from '../support/fleet.js';
import { ask } from '../support/web-workers.js';

jest.setTimeout(120_000);

const TOKEN = 'a-control-token-of-the-fleet';
const CONTROL = { 'X-Control-Token': TOKEN };
const SETTINGS = {
  ...{ WEB_WORKERS: '2', CONTROL: 'token', CONTROL_TOKEN: TOKEN },
  ...{ RATE_LIMIT_CAPACITY: '100000', RATE_LIMIT_SERVICE_CAPACITY: '100000' },
};

const folder = mkdtempSync(join(tmpdir(), 'tooloo-workers-'));
let env: Record<string, string>;
let fleet: RunningFleet;
let port: number;

/** The body of a response, of which each test asserts what it reads. */
async function read(path: string, at = port) {
  const { status, text } = await ask(at, path, { headers: CONTROL });
  if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
  return JSON.parse(text);
}

const portOf = async (): Promise<number> => Number(new URL(await fleet.urlOf('web')).port);

beforeAll(async () => {
  buildFleet();
  const file = join(folder, 'providers.json');
  const provider = { baseUrl: 'http://127.0.0.1:9', model: 'm', inputPrice: 1, outputPrice: 1 };
  writeFileSync(file, JSON.stringify([{ id: 'alpha', ...provider }]));
  env = { ...SETTINGS, PROVIDERS_FILE: file };
  fleet = await startFleet(env);
  port = await portOf();
});

afterAll(async () => {
  await fleet.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('the orchestrator knows one web server, and the control room shows its workers', async () => {
  const web = (await fleet.instances()).filter(({ service }) => service === 'web');
  expect(web).toMatchObject([{ id: 'web-1', state: 'ready', port }]);
  for (const id of ['web-1-1', 'web-1-2']) {
    const { instance, health, log } = await read(`/api/v1/dashboard/instances/${id}`);
    expect(instance).toMatchObject({ id, service: 'web', state: 'ready' });
    expect(instance.pid).not.toBe(web[0]!.pid);
    expect(health.status).toBe('pass');
    expect(log.some((line: string) => line.includes(`"instance":"${id}"`))).toBe(true);
  }
});

test('the metrics of the service are the sum of its workers', async () => {
  for (let i = 0; i < 12; i++) expect((await ask(port, '/api/v1/capabilities/list')).status).toBeLessThan(500);
  const orchestrator = Number(new URL(fleet.orchestrator).port);
  const counted = async (): Promise<number> => {
    const { text } = await ask(orchestrator, '/api/v1/system/services/web/metrics');
    const counts = text
      .split('\n')
      .filter((line) => /^http_server_request_duration_seconds_count.*capabilities/.test(line));
    return counts.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
  };
  await until(async () => (await counted()) >= 12); // a busy process may be too late for one scrape
  expect(await counted()).toBe(12);
});

test('what changes in one service is gone from the caches of both workers', async () => {
  const workers = await Promise.all(
    ['web-1-1', 'web-1-2'].map(async (id) => (await read(`/api/v1/dashboard/instances/${id}`)).instance.port as number),
  );
  const headers = { Host: `127.0.0.1:${port}` };
  const stored = async (at: number): Promise<{ hit: boolean; enabled: boolean }> => {
    const answer = await ask(at, '/api/v1/providers/status', { headers });
    const { providers } = JSON.parse(answer.text) as { providers: { enabled: boolean }[] };
    return { hit: /; hit/.test(String(answer.headers['cache-status'])), enabled: providers[0]!.enabled };
  };
  for (const at of workers) {
    await stored(at);
    expect(await stored(at)).toEqual({ hit: true, enabled: true });
  }
  const changed = await ask(port, '/api/v1/providers/policy', {
    ...{ method: 'POST', headers: CONTROL, body: { disabled: ['alpha'] } },
  });
  expect(changed.status).toBe(200);
  for (const at of workers) expect(await stored(at)).toMatchObject({ enabled: false });
});

test('a killed worker returns under the same orchestrator record', async () => {
  const { instance } = await read('/api/v1/dashboard/instances/web-1-1');
  process.kill(instance.pid, 'SIGKILL');
  const after = await eventually(
    () => read('/api/v1/dashboard/instances/web-1-1').catch(() => undefined),
    (found) => found !== undefined && found.instance.pid !== instance.pid,
  );
  expect(after.instance.restarts).toBe(1);
  expect((await fleet.instances()).find(({ service }) => service === 'web')).toMatchObject({ restarts: 0 });
});

test('the next orchestrator adopts the web server of a killed one, and the port answers meanwhile', async () => {
  const web = (await fleet.instances()).find(({ service }) => service === 'web')!;
  const workers = ['web-1-1', 'web-1-2'];
  const pids = await Promise.all(
    workers.map(async (id) => (await read(`/api/v1/dashboard/instances/${id}`)).instance.pid),
  );
  const failures: unknown[] = [];
  let isOver = false;
  const client = (async () => {
    while (!isOver)
      await ask(port, '/livez').then(
        ({ status }) => status !== 200 && failures.push(status),
        (error: unknown) => failures.push(error),
      );
  })();
  fleet.child.kill('SIGKILL');
  await once(fleet.child, 'exit');
  fleet = await startFleet({ ...env, DATA_DIR: fleet.dataDir });
  const adopted = (await fleet.instances()).find(({ service }) => service === 'web');
  expect(adopted).toMatchObject({ id: 'web-1', pid: web.pid, port, state: 'ready' });
  await until(async () => (await read('/api/v1/dashboard/instances/web-1-2').catch(() => undefined)) !== undefined);
  const now = await Promise.all(
    workers.map(async (id) => (await read(`/api/v1/dashboard/instances/${id}`)).instance.pid),
  );
  expect(now).toEqual(pids);
  isOver = true;
  await client;
  expect(failures).toEqual([]);
});

test('a session opened before is still good, and a stop ends all processes', async () => {
  const opened = await ask(port, `/?token=${linkToken(TOKEN)}`);
  const cookie = opened.headers['set-cookie']![0]!.split(';', 1)[0]!;
  const { text } = await ask(port, '/api/v1/dashboard/access', { headers: { cookie } });
  expect(JSON.parse(text)).toMatchObject({ control: true });
  const web = (await fleet.instances()).find(({ service }) => service === 'web')!;
  const pids: number[] = await Promise.all(
    ['web-1-1', 'web-1-2'].map(async (id) => (await read(`/api/v1/dashboard/instances/${id}`)).instance.pid),
  );
  expect(await fleet.stop()).toBe(0);
  await until(() => [web.pid!, ...pids].every((pid) => !isAlive(pid)));
  fleet = { ...fleet, stop: () => Promise.resolve(0) };
});
