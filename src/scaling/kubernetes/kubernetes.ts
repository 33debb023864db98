/** Scales Deployments of a Kubernetes cluster: it sets their number of replicas and waits until it is reached. */
import type { Random } from '../../shared/backoff.js';
import { monotonicClock, sleep, type Clock } from '../../shared/clock.js';
import { ResilienceError } from '../../shared/errors.js';
import { checkOptions, clock as clockCheck, func, milliseconds, positive, string } from '../../shared/options.js';
import type { ReplicaDriver, ReplicaStatus } from '../driver.js';
import { KubernetesApi } from './api.js';
import { findCredentials, type CredentialOptions } from './credentials.js';
import { progressOf, replicaOf, type Deployment, type PodList, type Scale } from './objects.js';

/** The cluster, and the time limits of a change. */
export interface KubernetesOptions extends CredentialOptions {
  /** Name of the Deployment of a service. Default: the name of the service. */
  readonly deploymentOf?: (service: string) => string;
  /** Longest time until an ordered change is complete, in ms. Default 300,000. */
  readonly readyTimeout?: number;
  /** Milliseconds between two checks of the progress. Default 1000. */
  readonly pollInterval?: number;
  /** Time limit of a request to the API in milliseconds. Default 10,000. */
  readonly requestTimeout?: number;
  /** The clock. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** The source of random numbers. Default `Math.random`. */
  readonly random?: Random;
}

/** A valid name in a path (RFC 1123, as required by the API). */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/**
 * A driver for `HorizontalScalingManager`. Its service account needs these permissions in the namespace: `get` on
 * `deployments`, `get` and `patch` on `deployments/scale`, and `list` on `pods`. Do not use a HorizontalPodAutoscaler
 * on the same Deployment, because it would undo the changes.
 *
 * @throws TypeError or RangeError for an invalid option; ResilienceError NOT_CONFIGURED outside a cluster
 *
 * @example
 * import { HorizontalScalingManager } from '@tooloo/resilience';
 * import { kubernetes } from '@tooloo/resilience/kubernetes';
 *
 * const manager = new HorizontalScalingManager({ driver: kubernetes(), services: { billing: { min: 2, max: 20 } } });
 */
export function kubernetes(options: KubernetesOptions = {}): ReplicaDriver {
  const {
    deploymentOf = (service: string) => service,
    readyTimeout = 300_000,
    pollInterval = 1000,
    requestTimeout = 10_000,
    clock = monotonicClock,
    random,
    ...access
  } = checkOptions('kubernetes', options, {
    server: string,
    serviceAccount: string,
    namespace: string,
    deploymentOf: func,
    readyTimeout: milliseconds,
    pollInterval: positive,
    requestTimeout: positive,
    clock: clockCheck,
    random: func,
  });
  const credentials = findCredentials(access);
  const api = new KubernetesApi(credentials, { requestTimeout, clock, random });
  /** By service. The pod selector of a Deployment never changes. */
  const selectors = new Map<string, string>();

  const pathOf = (service: string): string => {
    const name = deploymentOf(service);
    if (!NAME.test(name)) throw new ResilienceError('NOT_FOUND', `kubernetes: '${name}' cannot be a Deployment's name`);
    return `/apis/apps/v1/namespaces/${credentials.namespace}/deployments/${name}`;
  };

  async function selectorOf(service: string, signal?: AbortSignal): Promise<string> {
    const known = selectors.get(service);
    if (known !== undefined) return known;
    const { status } = (await api.get(`${pathOf(service)}/scale`, signal)) as Scale;
    const selector = status?.selector ?? '';
    // Without a selector the API would list every pod of the namespace.
    if (selector === '') throw new ResilienceError('UPSTREAM_INVALID', `kubernetes: ${service} selects no pods`);
    selectors.set(service, selector);
    return selector;
  }

  async function describe(service: string, deployment: Deployment, signal?: AbortSignal): Promise<ReplicaStatus> {
    const selector = encodeURIComponent(await selectorOf(service, signal));
    const pods = await api.get(`/api/v1/namespaces/${credentials.namespace}/pods?labelSelector=${selector}`, signal);
    return {
      wanted: deployment.spec?.replicas ?? 1, // the API's default
      ready: Math.min(deployment.status?.readyReplicas ?? 0, deployment.status?.updatedReplicas ?? 0),
      replicas: ((pods as PodList).items ?? []).flatMap((pod) => replicaOf(pod) ?? []),
    };
  }

  return {
    async status(service, signal) {
      return describe(service, (await api.get(pathOf(service), signal)) as Deployment, signal);
    },
    async scaleTo(service, count, signal) {
      const path = pathOf(service);
      const begun = clock.now();
      await api.patch(`${path}/scale`, { spec: { replicas: count } }, signal);
      for (;;) {
        const deployment = (await api.get(path, signal)) as Deployment;
        if (deployment.spec?.replicas !== count)
          throw new ResilienceError('CONFLICT', `kubernetes: another client scaled ${service} at the same time`);
        const progress = progressOf(deployment, count);
        if (progress === 'done') return describe(service, deployment, signal);
        if (typeof progress === 'object') throw new ResilienceError('START_FAILED', `${service}: ${progress.stuck}`);
        if (clock.now() - begun >= readyTimeout) throw notInTime(service, deployment, count, readyTimeout);
        await sleep(clock, pollInterval, signal);
      }
    },
    close() {
      api.close();
      return Promise.resolve();
    },
  };
}

function notInTime(service: string, { status }: Deployment, count: number, timeout: number): ResilienceError {
  const { replicas = 0, availableReplicas = 0 } = status ?? {};
  const standing = `${availableReplicas} of ${count} available, ${replicas} there`;
  return new ResilienceError('START_FAILED', `${service}: after ${timeout / 1000} s ${standing}`);
}
