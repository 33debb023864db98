/**
 * The manifests of deploy/kubernetes against the schemas of the API, and against the servers they start. kubectl is
 * needed only after a change: `UPDATE_MANIFESTS=1` renders them again.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import request from 'supertest';
import { FLEET, MANAGED_SERVICES } from '../../servers/support/fleet.js';
import { readConfig, VARIABLE_NAMES } from '../../servers/support/config.js';
import { trainingServer } from '../../servers/training-server.js';
import { testFleet } from '../support/fleet-server.js';
import {
  kubectlUnavailable,
  parseManifests,
  renderedFrom,
  renderedManifests,
  renderManifests,
  schemaErrors,
  typeErrors,
  updateManifests,
  type Manifest,
} from '../support/manifests.js';

const FOLDER = 'deploy/kubernetes';

/** The secret that a user creates according to docs/deployment.md. */
const SECRETS = {
  DATABASE_URL: 'postgres://tooloo:secret@postgres:5432/tooloo',
  REDIS_URL: 'redis://redis:6379',
  CONTROL_TOKEN: 'sixteen characters or more',
};
const SECONDS = 1000;

describe('deploy/kubernetes', () => {
  let manifests: Manifest[];
  let settings: Record<string, string>;
  /** A loosely typed copy of a manifest, which a test may change. */
  const find = (kind: string, name: string) =>
    JSON.parse(JSON.stringify(manifests.find((one) => one.kind === kind && one.metadata.name === `tooloo-${name}`)));
  const podOf = (name: string) => find('Deployment', name).spec.template;

  beforeAll(() => {
    if (process.env.UPDATE_MANIFESTS === '1') updateManifests(FOLDER);
    manifests = parseManifests(renderedManifests());
    settings = find('ConfigMap', 'settings').data;
  });

  test('matches the manifests rendered last', () => {
    expect(renderedManifests().split('\n', 1)).toEqual([renderedFrom(FOLDER)]);
    if (kubectlUnavailable === undefined) expect(manifests).toEqual(parseManifests(renderManifests(FOLDER)));
  });

  test('matches the schemas of the API, without unknown members', () => {
    expect(schemaErrors(manifests)).toEqual([]);
    expect(typeErrors(manifests)).toEqual([]);
  }, 60_000);

  test('the checks find mistakes', () => {
    const [deployment, service] = [find('Deployment', 'web'), find('Service', 'web')];
    deployment.spec.template.spec.containers[0].ports[0].containerPort = 'http';
    service.spec.clusterIp = 'None';
    expect(schemaErrors([deployment, service])).toEqual([
      expect.stringMatching(/Deployment tooloo-web: .*containerPort/),
    ]);
    expect(typeErrors([service])).toEqual([expect.stringMatching(/clusterIp.* does not exist in type 'IServiceSpec'/)]);
  }, 60_000);

  test('has each service on its port, with an autoscaler and a disruption budget of its own', () => {
    for (const name of MANAGED_SERVICES) {
      const [container] = podOf(name).spec.containers;
      expect(container.args).toEqual([`dist/servers/${name}-server.js`]);
      expect(existsSync(join(__dirname, `../../servers/${name}-server.ts`))).toBe(true);
      expect(container.ports).toEqual([{ name: 'http', containerPort: FLEET[name].port }]);
      expect(find('Service', name).spec.ports).toEqual([
        { name: 'http', port: name === 'web' ? 80 : FLEET[name].port, targetPort: 'http' },
      ]);
      const { labels } = podOf(name).metadata;
      expect(labels).toEqual({ 'app.kubernetes.io/name': 'tooloo', 'app.kubernetes.io/component': name });
      expect(find('Service', name).spec.selector).toEqual(labels);
      expect(find('PodDisruptionBudget', name).spec.selector.matchLabels).toEqual(labels);
      expect(find('HorizontalPodAutoscaler', name).spec.scaleTargetRef.name).toBe(`tooloo-${name}`);
    }
  });

  test('sets only variables that the servers read, to what they accept', () => {
    for (const name of MANAGED_SERVICES) {
      const own = podOf(name).spec.containers[0].env as Array<{ name: string; value?: string }>;
      const env = {
        ...settings,
        ...SECRETS,
        ...Object.fromEntries(own.map((one) => [one.name, one.value ?? 'from the pod'])),
      };
      expect(VARIABLE_NAMES).toEqual(expect.arrayContaining(Object.keys(env)));
      expect(readConfig(env)).toMatchObject({ HOST: '0.0.0.0', PEER_HOST: 'tooloo-{service}' });
    }
  });

  test('the name under which the services look for each other is that of a headless service', () => {
    for (const name of MANAGED_SERVICES.filter((one) => one !== 'web')) {
      expect(settings.PEER_HOST!.replace('{service}', name)).toBe(find('Service', name).metadata.name);
      expect(find('Service', name).spec.clusterIP).toBe('None');
    }
  });

  test('a pod has the time that its shutdown takes', () => {
    const { terminationGracePeriodSeconds, containers } = podOf('training').spec;
    const [command, pause] = containers[0].lifecycle.preStop.exec.command;
    expect(command).toBe('sleep');
    const needed = Number(pause) * SECONDS + Number(settings.DRAIN_DELAY_MS) + Number(settings.SHUTDOWN_TIMEOUT_MS);
    expect(terminationGracePeriodSeconds * SECONDS).toBeGreaterThan(needed);
  });

  test('every pod runs with the least privileges that it needs', () => {
    for (const name of MANAGED_SERVICES) {
      const { spec } = podOf(name);
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      expect(spec.containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  test('a server answers the probes', async () => {
    const fleet = testFleet();
    try {
      const { app } = await fleet.create(trainingServer);
      const { startupProbe, readinessProbe, livenessProbe } = podOf('training').spec.containers[0];
      for (const { httpGet } of [startupProbe, readinessProbe, livenessProbe]) {
        await request(app).get(httpGet.path).expect(200);
      }
    } finally {
      await fleet.close();
    }
  });
});
