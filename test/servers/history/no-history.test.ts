/** A service with `HISTORY_MB=0`, which records no history. */
import { readdirSync } from 'node:fs';
import request from 'supertest';
import { trainingServer } from '../../../servers/training-server.js';
import { testFleet, type TestFleet } from '../../support/fleet-server.js';

let fleet: TestFleet;
beforeEach(() => {
  fleet = testFleet();
});
afterEach(() => fleet.close());

test('it writes none, and answers as if nothing had been measured', async () => {
  const server = await fleet.create(trainingServer, { env: { HISTORY_MB: '0', TRACE_SAMPLING_RATE: '1' } });
  const get = (path: string) => request(server.app).get(path);
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
  await get('/api/v1/training/status').set({ traceparent }).expect(200);
  const to = Date.now();
  const history = await get(`/api/v1/system/history?from=${to - 60_000}&to=${to}`).expect(200);
  expect(history.body).toMatchObject({ service: 'training', points: [], operations: {} });
  const events = await get(`/api/v1/system/history/events?from=0&to=${to}`).expect(200);
  expect(events.body.events).toEqual([]);
  await get(`/api/v1/system/traces/${traceId}`).expect(200);
  await get(`/api/v1/system/traces/${'a'.repeat(32)}`).expect(404);
  await server.close();
  expect(readdirSync(fleet.folder).filter((name) => name.includes('history'))).toEqual([]);
});
