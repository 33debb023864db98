/** The whole fleet as a user starts it: real processes, real sockets, reached through the gateway. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MANAGED_SERVICES, type ServiceName } from '../../servers/support/fleet.js';
import { eventually, until } from '../support/eventually.js';
import { buildFleet, exitOf, isAlive, spawnFleet, startFleet, type RunningFleet } from '../support/fleet.js';

jest.setTimeout(60_000);

let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  fleet = await startFleet({ RATE_LIMIT_CAPACITY: '100000', RATE_LIMIT_SERVICE_CAPACITY: '100000' });
  web = await fleet.urlOf('web');
});

afterAll(async () => {
  await fleet.stop();
});

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what an endpoint answers is what the tests look at
const json = async (answer: Response): Promise<any> => answer.json();

async function post(path: string, body: object = {}): Promise<Response> {
  return fetch(web + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

test('eight services are ready, and the table says where', async () => {
  const instances = await fleet.instances();
  expect(instances.map(({ service }) => service)).toEqual([...MANAGED_SERVICES]);
  for (const { service, port, pid } of instances) {
    expect(fleet.output()).toMatch(
      new RegExp(`${service} +http://127\\.0\\.0\\.1:${port} +${pid} +ready +\\d+\\.\\d\\d s`),
    );
  }
});

test('a request travels through the gateway with one trace id all the way', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const answer = await fetch(`${web}/api/v1/training/overview`, {
    headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
  });
  expect(answer.status).toBe(200);
  expect(await json(answer)).toMatchObject({ ok: true });
  expect(answer.headers.get('traceresponse')).toContain(traceId);
  await until(async () =>
    fleet
      .output()
      .split('\n')
      .some((line) => line.includes(traceId) && line.includes('"service":"training"')),
  );
  for (const service of ['web', 'training'] as const) {
    const kept = await fetch(`${await fleet.urlOf(service)}/api/v1/system/traces/${traceId}`);
    expect((await json(kept))['trace'].traceId).toBe(traceId);
  }
});

test('a cacheable answer is a miss, then a hit', async () => {
  const path = `${web}/api/v1/capabilities/discovered`;
  const first = await fetch(path);
  expect(first.headers.get('cache-status')).toMatch(/fwd=/);
  const second = await fetch(path);
  expect(second.headers.get('cache-status')).toMatch(/; hit/);
  expect(await second.text()).toBe(await first.text());
});

test('what is changed in one service is seen by the others', async () => {
  const started = await post('/api/v1/training/start', { learner: 'ada', topics: ['algebra'] });
  expect(started.status).toBe(201);
  const discovered = await json(await fetch(`${web}/api/v1/capabilities/discovered`));
  expect(JSON.stringify(discovered)).toContain('/api/v1/training/start');
});

test('errors keep their problem document through the gateway', async () => {
  const wrong = await post('/api/v1/training/start', { learner: '' });
  expect(wrong.status).toBe(400);
  expect(wrong.headers.get('content-type')).toBe('application/problem+json');
  expect(await json(wrong)).toMatchObject({ ok: false, code: 'VALIDATION_FAILED', status: 400 });
  const nowhere = await fetch(`${web}/api/v1/nowhere`);
  expect(nowhere.status).toBe(404);
  expect(await json(nowhere)).toMatchObject({ ok: false, code: 'NOT_FOUND' });
  const method = await fetch(`${web}/api/v1/training/start`);
  expect(method.status).toBe(405);
  expect(method.headers.get('allow')).toContain('POST');
});

test('control routes are closed to clients that connect through a proxy, and to pages of other sites', async () => {
  const attempts: Record<string, string>[] = [
    { 'X-Forwarded-For': '203.0.113.9' },
    { Origin: 'https://evil.example' },
    { 'X-Control-Token': 'guess' },
  ];
  for (const headers of attempts) {
    const answer = await fetch(`${web}/api/v1/system/services/training/stop`, { method: 'POST', headers });
    expect([401, 403]).toContain(answer.status);
  }
  expect((await fleet.instances()).every(({ state }) => state === 'ready')).toBe(true);
});

test('every service answers its probes, metrics and observability', async () => {
  for (const { host, port, service } of await fleet.instances()) {
    const base = `http://${host}:${port}`;
    for (const path of ['/health', '/livez', '/readyz', '/startupz', '/metrics']) {
      expect(`${service}${path} ${(await fetch(base + path)).status}`).toBe(`${service}${path} 200`);
    }
    const seen = await json(await fetch(`${base}/api/v1/system/observability`));
    expect(seen).toMatchObject({ ok: true, service, tracer: expect.objectContaining({ service }) });
  }
});

test('the check of a running fleet finds all eight', () => {
  const printed = execFileSync(process.execPath, ['test/fleet/verify.js'], {
    env: { ...process.env, ORCHESTRATOR_URL: fleet.orchestrator },
    encoding: 'utf8',
  });
  expect(printed).toMatch(/^8\/8$/m);
});

/** Kills an instance of a service while clients ask it, until another process is ready in its place. */
async function killUnderLoad(service: ServiceName, path: string): Promise<{ requests: number; failed: number[] }> {
  const victim = (await fleet.instances()).find((one) => one.service === service)!;
  const failed: number[] = [];
  let requests = 0;
  let replaced = false;
  const client = async (): Promise<void> => {
    while (!replaced) {
      const answer = await fetch(web + path);
      await answer.arrayBuffer();
      requests++;
      if (answer.status !== 200) failed.push(answer.status);
    }
  };
  const clients = Array.from({ length: 8 }, client);
  await until(async () => requests > 50);
  process.kill(victim.pid!, 'SIGKILL');
  await eventually(
    () => fleet.instances(),
    (now) => now.some(({ id, pid, state }) => id === victim.id && pid !== victim.pid && state === 'ready'),
  );
  replaced = true;
  await Promise.all(clients);
  return { requests, failed };
}

test('the only instance of a service is killed under load: its callers wait, and none fails', async () => {
  const { requests, failed } = await killUnderLoad('meta', '/api/v4/meta-learning/report');
  expect({ requests, failed }).toEqual({ requests, failed: [] });
});

test('one of two instances is killed under load: the other serves, and none fails', async () => {
  expect((await post('/api/v1/system/scale/training-server/up')).status).toBe(200);
  await until(async () => {
    const load = await json(await fetch(`${web}/api/v1/system/load-distribution`));
    return load['services'].training.instances.length === 2;
  });
  const { requests, failed } = await killUnderLoad('training', '/api/v1/training/status');
  expect({ requests, failed }).toEqual({ requests, failed: [] });
  expect((await post('/api/v1/system/scale/training/down')).status).toBe(200);
});

test('a service stopped on purpose stays stopped, and starts again', async () => {
  expect((await post('/api/v1/system/services/reports/stop')).status).toBe(200);
  expect((await fleet.instances()).find(({ service }) => service === 'reports')).toMatchObject({ state: 'stopped' });
  const away = await fetch(`${web}/api/v1/reports/trends`); // waits first, because the service might be restarting
  expect(away.status).toBe(503);
  expect(Number(away.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await post('/api/v1/system/services/reports/start')).status).toBe(200);
  await until(async () => (await fetch(`${web}/api/v1/reports/trends`)).status === 200);
});

describe('what keeps the fleet from starting is said in one line', () => {
  async function failedStart(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
    const dataDir = mkdtempSync(join(tmpdir(), 'tooloo-failed-'));
    const { child, output } = spawnFleet({ DATA_DIR: dataDir, LOG_LEVEL: 'error', ...env });
    const code = await exitOf(child);
    rmSync(dataDir, { recursive: true, force: true });
    return { code, output: output() };
  }

  test('a setting that is wrong', async () => {
    const { code, output } = await failedStart({ WEB_PORT: 'eighty' });
    expect(code).toBe(1);
    expect(output).toContain('WEB_PORT: expected a port from 0 to 65535 (0: any free one), got "eighty"');
  });

  test('a port that is taken', async () => {
    const stranger: Server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => stranger.once('listening', resolve));
    const { port } = stranger.address() as AddressInfo;
    const { code, output } = await failedStart({ TRAINING_PORT: String(port) });
    await new Promise((resolve) => stranger.close(resolve));
    expect(code).toBe(1);
    expect(output).toContain(`training did not start: training-1: port ${port} is already in use by another program`);
    expect(output).toContain('set TRAINING_PORT to a free port in .env');
  });
});

// The last one, because it ends the fleet of the others.
test('Ctrl-C leaves no process behind', async () => {
  const pids = (await fleet.instances()).flatMap(({ pid }) => pid ?? []);
  expect(pids.length).toBeGreaterThanOrEqual(MANAGED_SERVICES.length);
  expect(await fleet.stop()).toBe(0);
  expect(fleet.output()).toContain('Stopped.');
  expect(pids.filter(isAlive)).toEqual([]);
});
