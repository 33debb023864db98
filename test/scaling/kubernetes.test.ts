/**
 * The driver for Deployments against a fake API server over TLS, which can refuse and delay every request.
 * kubernetes-cluster.test.ts tests the driver against the real API server.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReplicaDriver } from '../../src/scaling/driver.js';
import { HorizontalScalingManager } from '../../src/scaling/horizontal-scaling-manager.js';
import { findCredentials } from '../../src/scaling/kubernetes/credentials.js';
import { kubernetes, type KubernetesOptions } from '../../src/scaling/kubernetes/kubernetes.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { until } from '../support/eventually.js';
import { failure, kubernetesServer, type KubernetesServer } from '../support/kubernetes-api.js';

const PATH = '/apis/apps/v1/namespaces/shop/deployments/training';

let folder: string;
let api: KubernetesServer;
const drivers: ReplicaDriver[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tooloo-kubernetes-'));
  api = await kubernetesServer(folder);
});
afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close();
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

function create(options: KubernetesOptions = {}): ReplicaDriver {
  const access = { server: api.url, serviceAccount: api.serviceAccount };
  // With a fake clock, requests over the real network would time out.
  const driver = kubernetes({ ...access, pollInterval: 1, requestTimeout: 1e9, ...options });
  drivers.push(driver);
  return driver;
}

test('a service is scaled up, and the order settles when the replicas are ready', async () => {
  const status = await create().scaleTo('training', 3);
  expect(status).toMatchObject({ wanted: 3, ready: 3 });
  expect(status.replicas).toEqual([
    { id: 'training-6d4b75cb6d-x2x7q', host: '10.1.0.1', port: 3001, state: 'ready' },
    { id: 'training-6d4b75cb6d-new1', host: '10.1.0.2', port: 3001, state: 'ready' },
    { id: 'training-6d4b75cb6d-new2', host: '10.1.0.3', port: 3001, state: 'ready' },
  ]);
  expect(api.requests[0]).toBe(`PATCH ${PATH}/scale`);
});

test('a service is scaled down to zero', async () => {
  expect(await create().scaleTo('training', 0)).toEqual({ wanted: 0, ready: 0, replicas: [] });
});

test('the status of an older order is not mistaken for that of this order', async () => {
  const driver = create();
  await driver.scaleTo('training', 2);
  // It reads the status twice: at the first read the controller had not seen the order and still counted one replica.
  expect(api.requests.filter((one) => one === `GET ${PATH}`).length).toBeGreaterThan(1);
});

test('the token is read again, because it is replaced while the process runs', async () => {
  const driver = create();
  await driver.status('training');
  api.rotateToken('second-token');
  expect(await driver.status('training')).toMatchObject({ wanted: 1, ready: 1 });
});

test.each([
  [
    403,
    'Forbidden',
    'NOT_CONFIGURED',
    'deployments.apps "training" is forbidden: User "system:serviceaccount:shop:web" cannot patch',
  ],
  [404, 'NotFound', 'NOT_FOUND', 'deployments.apps "training" not found'],
  [422, 'Invalid', 'VALIDATION_FAILED', 'Deployment.apps "training" is invalid: spec.replicas: Invalid value: -1'],
])('%i (%s) is reported immediately as %s, with the message of the API', async (status, reason, code, message) => {
  api.refusals.push(failure(status, reason, message));
  const order = create().scaleTo('training', 2);
  await expect(order).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  expect(api.requests).toHaveLength(1);
});

test('a rejected token is reported', async () => {
  writeFileSync(join(folder, 'token'), 'forged');
  await expect(create().status('training')).rejects.toMatchObject({
    code: 'NOT_CONFIGURED',
    message: `kubernetes: GET ${PATH}: Unauthorized`,
  });
});

describe('a temporary failure is retried', () => {
  const refusals = {
    'a conflict': failure(409, 'Conflict', 'the object has been modified'),
    'an API server that restarts': failure(503, 'ServiceUnavailable', 'etcd leader changed'),
    'a lost connection': { status: 0 },
  };

  test.each(Object.entries(refusals))('%s', async (_what, refusal) => {
    api.refusals.push(refusal, refusal);
    const clock = new FakeClock();
    const order = create({ clock }).scaleTo('training', 1);
    for (const tries of [1, 2]) {
      await until(async () => {
        await clock.advance(100);
        return api.requests.length > tries;
      });
    }
    expect(await order).toMatchObject({ wanted: 1 });
  });

  test('a busy API server after its Retry-After, and no earlier', async () => {
    api.refusals.push(failure(429, 'TooManyRequests', 'too many requests', { 'Retry-After': '7' }));
    const clock = new FakeClock();
    const order = create({ clock }).scaleTo('training', 1);
    const begun = clock.now();
    await until(async () => {
      await clock.advance(100);
      return api.requests.length > 1;
    });
    expect(clock.now() - begun).toBeGreaterThanOrEqual(7000);
    expect(await order).toMatchObject({ wanted: 1 });
  });

  test('at most four times', async () => {
    for (let i = 0; i < 10; i++) api.refusals.push(failure(409, 'Conflict', 'the object has been modified'));
    const clock = new FakeClock();
    let error: unknown;
    void create({ clock })
      .scaleTo('training', 1)
      .catch((thrown: unknown) => (error = thrown));
    await until(async () => {
      await clock.advance(100);
      return error;
    });
    expect(error).toMatchObject({ code: 'CONFLICT' });
    expect(api.requests).toHaveLength(5);
  });
});

test('a Deployment that exceeds its progress deadline is reported as a failed start', async () => {
  api.stuck = 'too late';
  await expect(create().scaleTo('training', 2)).rejects.toMatchObject({
    code: 'START_FAILED',
    message: 'training: ReplicaSet "training-6d4b75cb6d" has timed out progressing.',
  });
});

test('replicas that are not ready in time are a failed start', async () => {
  api.stuck = 'silently';
  const clock = new FakeClock();
  let error: unknown;
  void create({ clock, readyTimeout: 60_000 })
    .scaleTo('training', 2)
    .catch((thrown: unknown) => (error = thrown));
  await until(async () => {
    await clock.advance(1); // a look
    return api.requests.length > 5;
  });
  expect(error).toBeUndefined();
  await until(async () => {
    await clock.advance(60_000);
    return error;
  });
  expect(error).toMatchObject({
    code: 'START_FAILED',
    message: 'training: after 60 s 1 of 2 available, 2 there',
  });
});

test('an order that another client overrides is a conflict', async () => {
  api.stuck = 'silently';
  const order = create().scaleTo('training', 2);
  order.catch(() => {});
  await until(() => api.requests.includes(`GET ${PATH}`));
  api.replicas = 5;
  await expect(order).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('another client scaled'),
  });
});

test('an aborted order ends', async () => {
  api.stuck = 'silently';
  const unwanted = new AbortController();
  const order = create().scaleTo('training', 2, unwanted.signal);
  await until(() => api.requests.length > 3);
  unwanted.abort(new Error('given up'));
  await expect(order).rejects.toThrow('given up');
});

test('the manager scales through it as with processes, within the bounds and with a history', async () => {
  const manager = new HorizontalScalingManager({ driver: create(), services: { training: { max: 3 } } });
  const up = await manager.scaleUp('training', 5, { reason: 'a rush' });
  expect(up).toMatchObject({ from: 1, to: 3, shortfall: 'the maximum is 3' });
  expect(up.added.map(({ id, state }) => [id, state])).toEqual([
    ['training-6d4b75cb6d-new1', 'ready'],
    ['training-6d4b75cb6d-new2', 'ready'],
  ]);
  expect((await manager.scaleDown('training')).removed.map(({ id }) => id)).toEqual(['training-6d4b75cb6d-new2']);
  await expect(manager.migrateInstance(3001)).rejects.toMatchObject({ code: 'CONFLICT' });
  await expect(manager.restartService('training')).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(manager.getScalingHistory().at(-1)).toMatchObject({ event: 'SCALE_UP', from: 1, to: 3, reason: 'a rush' });
  await manager.shutdown();
  expect(api.replicas).toBe(2);
});

describe('the identity of the driver', () => {
  const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };

  test('is determined from the files and variables that every pod has', () => {
    const { server, namespace, token } = findCredentials({ serviceAccount: folder }, env);
    expect([server.origin, namespace, token()]).toEqual(['https://10.96.0.1', 'shop', 'first-token']);
    const ipv6 = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
    expect(findCredentials({ serviceAccount: folder }, ipv6).server.origin).toBe('https://[fd00::1]:6443');
  });

  test.each([
    [{}, {}, /this is no pod; say where the API is in option 'server'/],
    [{ serviceAccount: '/nonexistent' }, env, /\/nonexistent\/namespace cannot be read/],
    [{ server: 'http://10.96.0.1' }, env, /option 'server': expected an https URL/],
  ])('cannot be determined with %j in %j', (options, environment, message) => {
    expect(() => findCredentials(options, environment)).toThrow(message);
  });
});

test('a name that is invalid for a Deployment never becomes part of a path', async () => {
  await expect(create().status('../../secrets')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(api.requests).toEqual([]);
});
