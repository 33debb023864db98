import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Pulse, SLOT_MS } from '../../../servers/support/pulse.js';
import { serviceClient, trace, type RequestEnd } from '../../../src/index.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

/** A multiple of the slot length, so that a slot begins now. */
const START = 1_000 * SLOT_MS;

let clock: FakeClock;
let listeners: Set<(request: RequestEnd) => unknown>;
let pulse: Pulse;

const tracer = {
  onRequest(callback: (request: RequestEnd) => unknown) {
    listeners.add(callback);
    return () => listeners.delete(callback);
  },
};

function serve(route: string, changes: Partial<RequestEnd> = {}): void {
  const ids = { traceId: 'a', spanId: 'b', sampled: true, kept: true };
  const request = { method: 'GET', route, status: 200, duration: 10, aborted: false, error: undefined, ...ids };
  for (const listener of listeners) listener({ ...request, ...changes });
}

beforeEach(() => {
  clock = new FakeClock(START);
  listeners = new Set();
  pulse = new Pulse(tracer, clock);
});

afterEach(() => pulse.close());

test('listens to requests only while there is a reader', async () => {
  expect(listeners.size).toBe(0);
  pulse.read(0);
  expect(listeners.size).toBe(1);
  await clock.advance(14_000);
  pulse.read(0);
  await clock.advance(14_000);
  expect(pulse.isRecording).toBe(true);
  await clock.advance(1_000);
  expect(pulse.isRecording).toBe(false);
  expect(listeners.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

test('returns each complete slot once, also empty ones, to a reader that sends its last slot', () => {
  expect(pulse.read(0)).toEqual([]);
  clock.tick(SLOT_MS);
  serve('/items/:id', { duration: 10, traceId: 'fast' });
  serve('/items/:id', { duration: 30, status: 503, traceId: 'slow' });
  serve('/other', { status: undefined, aborted: true });
  expect(pulse.read(0)).toEqual([]); // not over yet
  clock.tick(2 * SLOT_MS);
  const slots = pulse.read(0);
  expect(slots.map(({ slot }) => slot)).toEqual([1001, 1002]);
  expect(slots[0]!.requests['GET /items/:id']).toMatchObject({
    count: 2,
    errors: 1,
    slowest: 30,
    example: { traceId: 'slow', duration: 30 },
    statuses: { '2xx': 1, '5xx': 1 },
  });
  expect(slots[0]!.requests['GET /other']).toMatchObject({ count: 1, errors: 1 });
  expect(slots[1]).toEqual({ slot: 1002, requests: {}, calls: {} });
  expect(pulse.read(1002)).toEqual([]);
});

test('leaves out probes, scrapes and the routes of the control room', () => {
  pulse.read(0);
  clock.tick(SLOT_MS);
  for (const route of ['/livez', '/metrics', '/api/v1/system/pulse', '/api/v1/dashboard/stream']) serve(route);
  serve('/api/v1/systematic');
  clock.tick(SLOT_MS);
  expect(Object.keys(pulse.read(0)[0]!.requests)).toEqual(['GET /api/v1/systematic']);
});

test('the numbers of names and slots are bounded for any route names', () => {
  pulse.read(0);
  clock.tick(SLOT_MS);
  pulse.called('__proto__', 1, true);
  for (let i = 0; i < 1_000; i++) serve(`/route-${i}`);
  for (let i = 0; i < 6; i++) {
    clock.tick(SLOT_MS);
    pulse.read(0);
  }
  const [busy] = pulse.read(0);
  expect(Object.keys(busy!.requests)).toHaveLength(201);
  expect(busy!.requests['(other)']!.count).toBe(800);
  expect(({} as { count?: number }).count).toBeUndefined();
  clock.tick(7 * SLOT_MS);
  pulse.read(0);
  clock.tick(7 * SLOT_MS);
  expect(pulse.read(0)).toHaveLength(15);
});

describe('calls of a client', () => {
  let peer: Server;
  let url: string;

  beforeAll(async () => {
    peer = createServer((req, res) => res.writeHead(Number(req.url!.slice(1)) || 404).end('{}')).listen(0, '127.0.0.1');
    await once(peer, 'listening');
    url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`;
  });
  afterAll(() => peer.close());

  test('are counted by peer while recorded: a 4xx is an answer, a 5xx an error', async () => {
    const client = serviceClient('training', { baseURL: url, retry: false });
    pulse.observe('training', client);
    await client.get('/200');
    pulse.read(0);
    clock.tick(SLOT_MS);
    await client.get('/200');
    await expect(client.get('/api/v1/system/routes')).rejects.toThrow(); // not a call that the pulse counts
    await expect(client.get('/404')).rejects.toMatchObject({ response: { status: 404 } });
    await expect(client.get('/503')).rejects.toMatchObject({ response: { status: 503 } });
    clock.tick(SLOT_MS);
    expect(pulse.read(0)[0]!.calls).toEqual({ training: expect.objectContaining({ count: 3, errors: 1 }) });
    client.close();
  });
});

test('counts the requests of a real tracer', async () => {
  const traced = trace({ serviceName: 'shop' });
  const real = new Pulse(traced.tracer, clock);
  const server = createServer((req, res) => traced(req, res, () => res.end('ok'))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  real.read(0);
  clock.tick(SLOT_MS);
  const ended = new Promise((resolve) => traced.tracer.onRequest(resolve));
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`).then((answer) => answer.text());
  await ended;
  clock.tick(SLOT_MS);
  expect(real.read(0)[0]!.requests).toEqual({ 'GET (unmatched)': expect.objectContaining({ count: 1 }) });
  real.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await traced.close();
});
