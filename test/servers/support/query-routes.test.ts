import request from 'supertest';
import { trainingServer } from '../../../servers/training-server.js';
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
