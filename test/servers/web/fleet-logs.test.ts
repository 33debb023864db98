/** The log lines of a fleet without an orchestrator, where each service answers for itself. */
import request from 'supertest';
import { readLogLine } from '../../../servers/dashboard/model/log-line.js';
import { trainingServer } from '../../../servers/training-server.js';
import { webServer } from '../../../servers/web-server.js';
import type { FleetServer } from '../../../servers/support/service.js';
import type { FleetLogs } from '../../../servers/web/fleet-logs.js';
import { until } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { testFleet, type TestFleet } from '../../support/fleet-server.js';

const CONTROL_TOKEN = 'a-control-token-of-the-test';
/** The lines are read from the service, not from its output. */
const logTo = { write: () => undefined };

let fleet: TestFleet;
let training: FleetServer;
let web: FleetServer;
let url: string;
let trainingPort: number;

beforeEach(async () => {
  fleet = testFleet();
  trainingPort = await freePort();
  training = await startTraining();
  const ports = { BUDGET_PORT: '0', COACH_PORT: '0', SEGMENTATION_PORT: '0', REPORTS_PORT: '0', META_PORT: '0' };
  const others = { CAPABILITIES_PORT: '0', ORCHESTRATOR_PORT: '0', WEB_PORT: String(await freePort()) };
  const env = { ...ports, ...others, CONTROL_TOKEN, LOG_LEVEL: 'info', TRACE_SAMPLING_RATE: '1' };
  web = await fleet.create(webServer, { env, logTo, clients: { training: `http://127.0.0.1:${trainingPort}` } });
  url = await web.listen();
});

afterEach(() => fleet.close());

async function startTraining(): Promise<FleetServer> {
  const env = { CONTROL_TOKEN, LOG_LEVEL: 'info', TRACE_SAMPLING_RATE: '1' };
  const server = await fleet.create(trainingServer, { env, logTo });
  await server.listen(trainingPort);
  return server;
}

const logs = async (query: Record<string, string> = {}): Promise<FleetLogs> =>
  (
    await request(url)
      .get(`/api/v1/dashboard/logs?${new URLSearchParams(query).toString()}`)
      .expect(200)
  ).body;
const textsOf = ({ lines }: FleetLogs) => lines.map(({ line }) => readLogLine(line).text);
const namesOf = ({ lines }: FleetLogs) => [...new Set(lines.map(({ instance }) => instance))].sort();

test('the lines of a request are those of every service that it reached, by its trace', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
  await request(url).get('/api/v1/training/status').set({ traceparent }).expect(200);
  await request(url).get('/api/v1/training/overview').expect(200);
  await until(async () => (await logs({ trace: traceId })).lines.length === 2);
  const ofTrace = await logs({ trace: traceId });
  const names = [`training 127.0.0.1:${trainingPort}`, expect.stringMatching(/^web 127\.0\.0\.1:\d+$/)];
  expect(namesOf(ofTrace)).toEqual(names);
  expect(textsOf(ofTrace).every((text) => text.includes('status=200'))).toBe(true);
  expect(namesOf(await logs({ service: 'training' }))).toEqual([names[0]]);
  expect(namesOf(await logs({ instance: names[0] as string }))).toEqual([names[0]]);
});

test('following continues where it was, and begins again after a service was restarted', async () => {
  training.context.log.warn('one');
  const first = await logs({ service: 'training', level: 'warn' });
  expect(textsOf(first)).toEqual(['one']);
  expect(first.isWhole).toBe(true);
  training.context.log.warn('two');
  const next = await logs({ service: 'training', level: 'warn', after: first.cursor });
  expect(textsOf(next)).toEqual(['two']);
  expect(next.isWhole).toBe(false);
  await training.close();
  training = await startTraining();
  training.context.log.warn('three');
  const restarted = await logs({ service: 'training', level: 'warn', after: next.cursor });
  expect(restarted).toMatchObject({ isWhole: true, silent: [] });
  expect(textsOf(restarted)).toEqual(['three']);
});

test('a secret that a service logs is not in its lines, and cannot be found by searching', async () => {
  training.context.log.warn({ password: 'hunter2-of-the-test' }, `connected with ${CONTROL_TOKEN}`);
  const found = await logs({ service: 'training', level: 'warn' });
  expect(textsOf(found)).toEqual(['connected with [redacted]  password=[redacted]']);
  expect((await logs({ text: CONTROL_TOKEN })).lines).toEqual([]);
});

test('what the control room reads is not in the log that it shows, but what it orders is', async () => {
  await logs();
  await request(url).get('/api/v1/dashboard/traces').expect(200);
  await request(url).post('/api/v1/dashboard/traces/hold').send({ traceIds: [] }).expect(200);
  await request(url).post('/api/v1/dashboard/purge').set({ 'x-control-token': CONTROL_TOKEN }).send({ tag: 'x' });
  await until(async () => (await logs({ text: 'purge' })).lines.length > 0);
  expect((await logs({ text: 'request dashboard !purge' })).lines).toEqual([]);
  expect((await logs({ text: 'request system/traces' })).lines).toEqual([]);
});

test('an instance that does not answer is named', async () => {
  await training.close();
  expect(await logs({ service: 'training' })).toMatchObject({
    silent: [`training 127.0.0.1:${trainingPort}`],
    lines: [],
  });
});
