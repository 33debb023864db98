import { IN_FLIGHT, Rejections } from '../../../servers/support/rejections.js';
import { routeNames } from '../../../servers/support/route-names.js';
import { ResilienceError } from '../../../src/index.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

const START = 1_800_000_000_000;
const MINUTE = 60_000;

let clock: FakeClock;
let rejections: Rejections;

beforeEach(() => {
  clock = new FakeClock(START);
  rejections = new Rejections(clock);
});

function reject(client: string, policies: readonly string[] = ['client'], operation = 'GET /a'): void {
  const error = new ResilienceError(policies.length === 0 ? 'CONCURRENCY_EXCEEDED' : 'QUOTA_EXCEEDED', 'no');
  rejections.note({ key: client, policies, error, dryRun: false }, operation);
}

test('reports which client was rejected by which limit, and since when', () => {
  reject('192.0.2.1');
  clock.tick(20_000);
  reject('192.0.2.1');
  reject('192.0.2.2', []);
  expect(rejections.latest()).toEqual([
    {
      client: '192.0.2.2',
      limit: IN_FLIGHT,
      operation: 'GET /a',
      status: 503,
      count: 1,
      since: START + 20_000,
      last: START + 20_000,
    },
    {
      client: '192.0.2.1',
      limit: 'client',
      operation: 'GET /a',
      status: 429,
      count: 2,
      since: START,
      last: START + 20_000,
    },
  ]);
  expect(rejections.total).toBe(3);
});

test('after a quiet minute a new series begins, and after fifteen minutes a series is forgotten', () => {
  reject('192.0.2.1');
  clock.tick(MINUTE);
  reject('192.0.2.1');
  expect(rejections.latest()).toMatchObject([{ count: 1, since: START + MINUTE }]);
  clock.tick(15 * MINUTE);
  expect(rejections.latest()).toEqual([]);
  expect(rejections.total).toBe(2);
});

test('is bounded for any number of clients', () => {
  for (let i = 0; i < 2000; i++) reject(`client ${i}`);
  const latest = rejections.latest();
  expect(latest).toHaveLength(20);
  expect(latest[0]).toMatchObject({ client: 'client 1999' });
  reject('client 0');
  expect(rejections.latest()[0]).toMatchObject({ client: 'client 0', count: 1 });
});

test('a rejected request is named by a registered route or a prefix, never by what the client sent', () => {
  const entry = (method: string, path: string) => ({ method, path, summary: '', control: false });
  const nameOf = routeNames(
    [entry('GET', '/api/v1/things/:id'), entry('POST', '/api/v1/things')],
    [{ prefix: '/api/v1/training', service: 'training' }],
  );
  expect(nameOf('GET', '/api/v1/things/secret')).toBe('/api/v1/things/:id');
  expect(nameOf('DELETE', '/api/v1/things')).toBe('/api/v1/things');
  expect(nameOf('GET', '/api/v1/training')).toBe('/api/v1/training');
  expect(nameOf('GET', '/api/v1/training/a/b')).toBe('/api/v1/training/*path');
  expect(nameOf('GET', '/api/v1/trainings')).toBeUndefined();
});
