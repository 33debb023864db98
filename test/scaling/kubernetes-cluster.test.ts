/** The driver for Deployments against the real API and controllers, if these programs are installed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReplicaDriver } from '../../src/scaling/driver.js';
import { HorizontalScalingManager } from '../../src/scaling/horizontal-scaling-manager.js';
import { kubernetes, type KubernetesOptions } from '../../src/scaling/kubernetes/kubernetes.js';
import { until } from '../support/eventually.js';
import { Cluster, clusterUnavailable, USER, USER_TOKEN } from '../support/kubernetes-cluster.js';
import { describeWhereBuilt } from '../support/services.js';
import { cert } from '../support/tls.js';

jest.setTimeout(120_000);

const RIGHTS = '/apis/rbac.authorization.k8s.io/v1/namespaces/shop';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/shop/deployments';

describeWhereBuilt(clusterUnavailable, 'the real API', () => {
  let folder: string;
  let cluster: Cluster;
  const drivers: ReplicaDriver[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tooloo-cluster-'));
    cluster = await Cluster.start(join(folder, 'cluster'));
    writeFileSync(join(folder, 'ca.crt'), cert);
    writeFileSync(join(folder, 'namespace'), 'shop\n');
    // Only the permissions that the driver needs according to docs/scaling.md.
    await cluster.admin('POST', `${RIGHTS}/roles`, {
      metadata: { name: USER },
      rules: [
        { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] },
        { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['get', 'patch'] },
        { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
      ],
    });
    await cluster.admin('POST', `${RIGHTS}/rolebindings`, {
      metadata: { name: USER },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: USER },
      subjects: [{ kind: 'User', name: USER, apiGroup: 'rbac.authorization.k8s.io' }],
    });
  });
  beforeEach(() => {
    cluster.kubeletWorks = true;
    writeFileSync(join(folder, 'token'), USER_TOKEN);
  });
  afterEach(async () => {
    for (const driver of drivers.splice(0)) await driver.close();
  });
  afterAll(async () => {
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function create(options: KubernetesOptions = {}): ReplicaDriver {
    const driver = kubernetes({ server: cluster.url, serviceAccount: folder, pollInterval: 20, ...options });
    drivers.push(driver);
    return driver;
  }

  /** A Deployment of one replica. */
  async function order(name: string, more: object): Promise<void> {
    const labels = { app: name, 'app.kubernetes.io/part-of': 'fleet' };
    const containers = [{ name: 'server', image: 'server', ports: [{ containerPort: 3001 }] }];
    await cluster.admin('POST', DEPLOYMENTS, {
      metadata: { name },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
        ...more,
      },
    });
  }

  /** A Deployment of one replica that is ready. */
  async function deploy(name: string, more: object = {}): Promise<void> {
    await order(name, more);
    const driver = create();
    await until(async () => (await driver.status(name)).ready === 1, `${name} never got ready`);
  }

  test('scales up and settles when the replicas are ready, and scales down to zero', async () => {
    await deploy('training');
    const status = await create().scaleTo('training', 3);
    expect(status).toMatchObject({ wanted: 3, ready: 3 });
    expect(status.replicas).toHaveLength(3);
    for (const { id, host, port, state } of status.replicas) {
      expect(id).toMatch(/^training-[0-9a-z]+-[0-9a-z]{5}$/);
      expect([host.startsWith('10.1.0.'), port, state]).toEqual([true, 3001, 'ready']);
    }
    expect(await create().scaleTo('training', 0)).toEqual({ wanted: 0, ready: 0, replicas: [] });
  });

  test('lists only the pods of its own Deployment', async () => {
    await deploy('coach');
    await deploy('meta');
    expect((await create().scaleTo('coach', 2)).replicas).toHaveLength(2);
    expect((await create().status('meta')).replicas).toHaveLength(1);
  });

  test('replicas that do not become ready are a failed start, although the API sets them no deadline', async () => {
    await deploy('budget', { progressDeadlineSeconds: 1 });
    cluster.kubeletWorks = false;
    await expect(create({ readyTimeout: 3000 }).scaleTo('budget', 2)).rejects.toMatchObject({
      code: 'START_FAILED',
      message: 'budget: after 3 s 1 of 2 available, 2 there',
    });
  });

  test('a rollout that times out fails with the message of the API', async () => {
    cluster.kubeletWorks = false;
    await order('web', { progressDeadlineSeconds: 1 });
    await expect(create().scaleTo('web', 2)).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringMatching(/^web: ReplicaSet "web-[0-9a-z]+" has timed out progressing\.$/),
    });
  });

  test('an order that another client overrides is a conflict', async () => {
    await deploy('reports');
    cluster.kubeletWorks = false;
    const order = create().scaleTo('reports', 2);
    order.catch(() => {});
    await until(async () => (await create().status('reports')).wanted === 2);
    await cluster.admin('PATCH', `${DEPLOYMENTS}/reports`, { spec: { replicas: 4 } });
    await expect(order).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('somebody else') });
  });

  test('a missing permission is reported with the message of the API', async () => {
    const driver = create({ namespace: 'default' });
    await expect(driver.status('training')).rejects.toMatchObject({
      code: 'NOT_CONFIGURED',
      message: expect.stringMatching(/deployments\.apps "training" is forbidden: User "scaler" cannot get resource/),
    });
  });

  test('so are a missing Deployment, a rejected token and an invalid number', async () => {
    await expect(create().scaleTo('nobody', 2)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('"nobody" not found'),
    });
    await deploy('segmentation');
    await expect(create().scaleTo('segmentation', -1)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
    writeFileSync(join(folder, 'token'), 'forged');
    await expect(create().status('segmentation')).rejects.toMatchObject({
      code: 'NOT_CONFIGURED',
      message: expect.stringContaining('Unauthorized'),
    });
  });

  test('the manager scales through it, within the bounds', async () => {
    await deploy('capabilities');
    const manager = new HorizontalScalingManager({ driver: create(), services: { capabilities: { max: 3 } } });
    const up = await manager.scaleUp('capabilities', 5);
    expect(up).toMatchObject({ from: 1, to: 3, shortfall: 'the maximum is 3' });
    expect(up.added.map(({ state }) => state)).toEqual(['ready', 'ready']);
    expect(await manager.scaleDown('capabilities')).toMatchObject({ from: 3, to: 2 });
    await manager.shutdown();
  });
});
