import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { createOrchestrator, type Orchestrator } from '../../servers/orchestrator/create-orchestrator.js';
import { MANAGED_SERVICES } from '../../servers/support/fleet.js';
import { EventStreamParser } from '../../src/routing/sources/event-stream-parser.js';
import { until } from '../support/eventually.js';
import { FREE_PORTS, isAlive } from '../support/fleet.js';

/** Stands in for every service: listens, reports that it is ready, responds with its environment, exits on SIGTERM. */
const SERVICE = `
  const metrics = [{ name: 'work_total', help: 'Work', type: 'counter', samples: [{ value: 3 }] }];
  const server = require('node:http').createServer((req, res) =>
    res.end(req.url === '/metrics' ? JSON.stringify(metrics) : JSON.stringify({ pid: process.pid, token: process.env.CONTROL_TOKEN, instance: process.env.INSTANCE_ID,
      service: process.env.INSTANCE_ID.split('-')[0], load: { cpu: Number(process.env.CPU ?? 5), memory: 1, p99: null, errorRate: null } })));
  server.listen(0, '127.0.0.1', () => process.send({ type: 'ready', port: server.address().port }));
  process.on('SIGTERM', () => process.exit(0));
  console.log(JSON.stringify({ level: 'warn', time: new Date().toISOString(), msg: 'began with ' + process.env.CONTROL_TOKEN }));
  console.error('    at somewhere.js:1:2');
`;

let folder: string;
let orchestrator: Orchestrator;

async function begin(): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'tooloo-orchestrator-'));
  writeFileSync(join(folder, 'service.cjs'), SERVICE);
  orchestrator = await create();
  await orchestrator.start();
}

async function end(): Promise<void> {
  await orchestrator.close();
  rmSync(folder, { recursive: true, force: true });
}

function create(env: Record<string, string> = {}): Promise<Orchestrator> {
  return createOrchestrator({
    env: { ...FREE_PORTS, DATA_DIR: folder, LOG_LEVEL: 'info', CONTROL: 'loopback', SCALING_MAX: '3', ...env },
    programOf: () => join(folder, 'service.cjs'),
    liveness: { checkInterval: 100, timeout: 2000, fall: 2, stallWindow: 500 },
    settleTime: 50, // no gateway has to learn of a change
  });
}

const get = (path: string) => request(orchestrator.url).get(path);
const post = (path: string) => request(orchestrator.url).post(path);

describe('one that is running', () => {
  // Each test has a service of its own where it changes one: a start takes more than most tests.
  beforeAll(begin);
  afterAll(end);

  test('all services run, and the status reports them as ready', async () => {
    const { body } = await get('/api/v1/system/status').expect(200);
    expect(body).toMatchObject({ ok: true, ready: true });
    expect(Object.keys(body.services)).toEqual([...MANAGED_SERVICES]);
    const { services } = (await get('/api/v1/system/scaling-status').expect(200)).body;
    expect(services.training).toMatchObject({ instances: 1, ready: 1, min: 1, lastDecision: null });
    expect(services.web).toMatchObject({ max: 1 });
  });

  test('a service is called by its name with or without -server', async () => {
    for (const name of ['training', 'training-server']) {
      const { body } = await post(`/api/v1/system/services/${name}/restart`).expect(200);
      expect(body).toMatchObject({ service: 'training', instances: [{ id: 'training-1', state: 'ready' }] });
    }
  });

  test('an invalid command is a 400 that names the field', async () => {
    const orders: [path: string, field: string, body?: object][] = [
      ['services/nobody/stop', 'path.service'],
      ['services/orchestrator/stop', 'path.service'],
      ['scale/training/sideways', 'path.direction'],
      ['scale/training/up', 'body.count', { count: 0 }],
      ['migrate', 'body.fromPort', { fromPort: 70_000 }],
    ];
    for (const [path, field, body = {}] of orders) {
      const refused = await post(`/api/v1/system/${path}`).send(body).expect(400);
      expect(refused.body.errors).toEqual([expect.objectContaining({ field })]);
    }
  });

  test('the metrics of a service are the sum over its instances, also over stopped ones', async () => {
    const metricsOf = async (service: string) =>
      (await get(`/api/v1/system/services/${service}/metrics`).expect(200)).text;
    await post('/api/v1/system/scale/segmentation/up').expect(200);
    await until(async () => (await metricsOf('segmentation-server')).includes('work_total{service="segmentation"} 6'));
    await post('/api/v1/system/scale/segmentation/down').expect(200);
    expect(await metricsOf('segmentation')).toContain('work_total{service="segmentation"} 6');
    expect(await metricsOf('budget')).toContain('work_total{service="budget"} 3');
    await get('/api/v1/system/services/nobody/metrics').expect(400);
  });

  test('instances are added and removed within the bounds, and the history records it', async () => {
    const up = await post('/api/v1/system/scale/reports-server/up').expect(200);
    expect(up.body).toMatchObject({ direction: 'up', from: 1, to: 2, added: [{ id: 'reports-2', state: 'ready' }] });
    expect((await post('/api/v1/system/scale/reports/up').send({ count: 50 }).expect(200)).body).toMatchObject({
      to: 3,
      shortfall: 'the maximum is 3',
    });
    expect((await post('/api/v1/system/scale/reports/up').expect(409)).body.code).toBe('CONFLICT');
    expect((await post('/api/v1/system/scale/reports/down').send({ count: 2 })).body.instances).toHaveLength(1);
    expect((await post('/api/v1/system/scale/reports/down').expect(409)).body.code).toBe('CONFLICT');
    const { history } = (await get('/api/v1/system/scaling-history?service=reports-server&limit=2')).body;
    expect(history).toEqual([
      expect.objectContaining({ event: 'SCALE_DOWN', outcome: 'failed', reason: 'ordered by hand' }),
      expect.objectContaining({ event: 'SCALE_DOWN', outcome: 'done', from: 3, to: 1 }),
    ]);
  });

  test('the orchestrator logs what becomes of an instance, a crash as a warning', async () => {
    const { pid } = orchestrator.fleet.instancesOf('capabilities')[0]!;
    process.kill(pid!, 'SIGKILL');
    const ownLines = async () =>
      (await get('/api/v1/system/logs?instance=orchestrator&level=warn').expect(200)).body.lines as { line: string }[];
    await until(async () =>
      (await ownLines()).some(({ line }) => line.includes('capabilities-1') && line.includes('crash')),
    );
  });

  test('an instance migrates to another port', async () => {
    const { port } = orchestrator.fleet.instancesOf('meta')[0]!;
    const moved = await post('/api/v1/system/migrate').send({ fromPort: port }).expect(200);
    expect(moved.body).toMatchObject({ service: 'meta', added: [{ id: 'meta-2' }], removed: [{ id: 'meta-1', port }] });
    await post('/api/v1/system/migrate').send({ fromPort: port }).expect(404);
  });

  test('control routes reject requests from other addresses and origins', async () => {
    await post('/api/v1/system/services/training/stop').set('X-Forwarded-For', '203.0.113.9').expect(401);
    await post('/api/v1/system/services/training/stop').set('Origin', 'https://evil.example').expect(401);
    expect((await get('/api/v1/system/status')).body.ready).toBe(true);
  });

  test('without a configured token the services share a generated one', async () => {
    const tokens = new Set<string>();
    for (const { host, port } of orchestrator.fleet.instances) {
      const told = (await (await fetch(`http://${host}:${port}/`)).json()) as { token: string };
      tokens.add(told.token);
    }
    expect([...tokens].map((token) => token.length)).toEqual([32]);
  });

  test.each([
    ['killed', 'coach', 'SIGKILL', 1],
    ['frozen', 'training', 'SIGSTOP', 0], // the only instance: it is killed once its successor is ready
  ] as const)('a %s instance is replaced', async (_how, of, signal, restarts) => {
    const before = orchestrator.fleet.instances.find(({ service }) => service === of)!;
    const replaced = new Promise<void>((resolve) => {
      orchestrator.fleet.onChange((instances) => {
        const now = instances.find(({ service }) => service === of)!;
        if (now.state === 'ready' && now.pid !== before.pid) resolve();
      });
    });
    process.kill(before.pid!, signal);
    await replaced;
    expect(orchestrator.fleet.instances.find(({ service }) => service === of)).toMatchObject({ restarts });
    expect(isAlive(before.pid!)).toBe(false);
  });

  test('the event stream of the instances begins with all of them and continues with every change', async () => {
    const events: { event: string; states: string[] }[] = [];
    const parser = new EventStreamParser(({ event, data }) => {
      const { instances } = JSON.parse(data) as { instances: { service: string; state: string }[] };
      events.push({ event, states: instances.filter(({ service }) => service === 'web').map(({ state }) => state) });
    });
    const leave = new AbortController();
    const stream = await fetch(`${orchestrator.url}/api/v1/system/instances`, {
      headers: { Accept: 'text/event-stream' },
      signal: leave.signal,
    });
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    const stopped = fetch(`${orchestrator.url}/api/v1/system/services/web/stop`, { method: 'POST' });
    for await (const chunk of stream.body!) {
      parser.push(Buffer.from(chunk as Uint8Array));
      if (events.at(-1)?.states[0] === 'stopped') break;
    }
    leave.abort();
    expect((await stopped).status).toBe(200);
    expect(events[0]).toEqual({ event: 'snapshot', states: ['ready'] });
    expect(events.slice(1)).toEqual([
      { event: 'change', states: ['draining'] },
      { event: 'change', states: ['stopped'] },
    ]);
  });
});

describe('one of its own', () => {
  beforeEach(begin);
  afterEach(end);

  test('what the instances print is stored, without secrets, and remains after they have stopped', async () => {
    const linesOf = async (query: string) =>
      (await get(`/api/v1/system/logs?${query}`).expect(200)).body.lines as { instance: string; line: string }[];
    await until(async () => (await linesOf('text=began')).length === MANAGED_SERVICES.length);
    await post('/api/v1/system/services/training/stop').expect(200);
    const [structured, ...others] = await linesOf('instance=training-1&level=warn');
    expect(structured).toMatchObject({ service: 'training', instance: 'training-1', level: 'warn' });
    expect(structured!.line).toContain('began with [redacted]');
    expect(others.map(({ line }) => line)).toEqual(['    at somewhere.js:1:2']);
  });

  test('the load of the instances is measured, and decisions are executed and explained', async () => {
    await orchestrator.close();
    writeFileSync(
      join(folder, 'scaling.json'),
      JSON.stringify({
        services: { 'meta-server': { max: 2, cpu: { target: 1, up: 2, down: 0.5 }, predictive: false } },
      }),
    );
    orchestrator = await create({ SCALING_INTERVAL_MS: '50', SCALING_POLICIES_FILE: join(folder, 'scaling.json') });
    await orchestrator.start();
    await until(() => orchestrator.fleet.instancesOf('meta').filter(({ state }) => state === 'ready').length === 2);
    const { body } = await get('/api/v1/system/scaling-status');
    expect(body).toMatchObject({ automatic: true, intervalMs: 50 });
    expect(body.services.meta).toMatchObject({
      max: 2,
      lastDecision: { metrics: expect.arrayContaining([expect.objectContaining({ metric: 'cpu', value: 5 })]) },
    });
    const [up] = (await get('/api/v1/system/scaling-history?service=meta')).body.history;
    expect(up).toMatchObject({ event: 'SCALE_UP', from: 1, to: 2, reason: expect.stringContaining('cpu') });
    expect(orchestrator.fleet.instancesOf('coach')).toHaveLength(1);
  });

  test('closing stops every process', async () => {
    const pids = orchestrator.fleet.instances.map(({ pid }) => pid!);
    await orchestrator.close();
    expect(pids.filter(isAlive)).toEqual([]);
  });
});
