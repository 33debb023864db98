import request from 'supertest';
import { trainingServer } from '../../../servers/training-server.js';
import { isControlStatement } from '../../../servers/dashboard/model/query-rows.js';
import { until } from '../../support/eventually.js';
import { testFleet, type TestFleet } from '../../support/fleet-server.js';

let fleet: TestFleet;
beforeEach(() => {
  fleet = testFleet();
});
afterEach(() => fleet.close());

test('a server reports the cost of its statements by shape, without any value', async () => {
  const { app } = await fleet.create(trainingServer, {});
  await request(app)
    .post('/api/v1/training/start')
    .send({ learner: 'very-secret-name', topics: ['sums'] })
    .expect(201);
  const { body } = await request(app).get('/api/v1/system/queries').expect(200);
  expect(body).toMatchObject({ ok: true, service: 'training', dialect: 'sqlite', slow: [], repeated: [] });
  expect(body.queries).toBeGreaterThan(3);
  expect(body.statements[0]).toMatchObject({ fingerprint: expect.any(String), calls: expect.any(Number) });
  expect(JSON.stringify(body)).not.toContain('very-secret-name');
  await request(app).post('/api/v1/system/queries').expect(405);
});

test('the costliest statements are analysed once they are read, and transaction control is not', async () => {
  const { app } = await fleet.create(trainingServer, {});
  await request(app)
    .post('/api/v1/training/start')
    .send({ learner: 'ada', topics: ['sums'] })
    .expect(201);
  const read = async () => (await request(app).get('/api/v1/system/queries').expect(200)).body;
  const first = await read();
  expect(first.advice).toEqual({});
  const wanted = (first.statements as { fingerprint: string }[])
    .map(({ fingerprint }) => fingerprint)
    .filter((fingerprint) => !isControlStatement(fingerprint));
  await until(async () => {
    const known = Object.keys((await read()).advice);
    return wanted.every((fingerprint) => known.includes(fingerprint));
  });
  const { advice } = await read();
  expect(Object.keys(advice).filter(isControlStatement)).toEqual([]);
  expect(
    Object.values(advice)
      .flat()
      .every((one) => typeof (one as { message?: unknown }).message === 'string'),
  ).toBe(true);
});
