/**
 * As much of a Kubernetes API server as scaling talks to, over TLS: one Deployment, its Scale and its pods, in the shapes
 * and with the refusals the real one answers. Its controller takes a step each time somebody looks at the Deployment.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { cert, key } from './tls.js';

const DEPLOYMENT = '/apis/apps/v1/namespaces/shop/deployments/training';
const PODS = '/api/v1/namespaces/shop/pods?labelSelector=app%3Dtraining';

export interface Refusal {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export interface KubernetesServer {
  readonly url: string;
  /** A folder as the kubelet mounts it into a pod. */
  readonly serviceAccount: string;
  /** `PATCH /apis/…`, in their order. */
  readonly requests: string[];
  /** Answers to the next requests, before anything else is looked at. */
  readonly refusals: Refusal[];
  /** Keeps new pods from getting ready: it is too late for them at the next look, or never. */
  stuck: 'no' | 'too late' | 'silently';
  /** The replicas in the spec of the Deployment. */
  replicas: number;
  /** Replaces the token, as the kubelet does every hour. */
  rotateToken(token: string): void;
  close(): Promise<void>;
}

/** The `Status` object that every failure is answered with. */
export function failure(
  status: number,
  reason: string,
  message: string,
  headers: Record<string, string> = {},
): Refusal {
  const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code: status };
  return { status, headers, body: JSON.stringify(body) };
}

class Cluster {
  replicas = 1;
  stuck: KubernetesServer['stuck'] = 'no';
  #generation = 4;
  #observed = 4;
  #pods = ['training-6d4b75cb6d-x2x7q'];
  #ready = 1;
  #created = 0;

  scale(replicas: number): void {
    if (replicas !== this.replicas) this.#generation++;
    this.replicas = replicas;
  }

  /** First the order is seen, then the pods are made or marked for deletion, then they are ready or gone. */
  step(): void {
    if (this.#observed < this.#generation) this.#observed++;
    else if (this.#pods.length > this.replicas) this.#pods.length = this.#ready = this.replicas;
    else if (this.#pods.length < this.replicas) this.#pods.push(`training-6d4b75cb6d-new${++this.#created}`);
    else if (this.stuck === 'no') this.#ready = this.#pods.length;
  }

  get deployment(): object {
    const late = {
      type: 'Progressing',
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: 'ReplicaSet "training-6d4b75cb6d" has timed out progressing.',
    };
    const counts = this.#pods.length === 0 ? {} : { replicas: this.#pods.length, updatedReplicas: this.#pods.length };
    const ready = this.#ready === 0 ? {} : { readyReplicas: this.#ready, availableReplicas: this.#ready };
    const isLate = this.stuck === 'too late' && this.#ready < this.replicas && this.#observed === this.#generation;
    return {
      kind: 'Deployment',
      apiVersion: 'apps/v1',
      metadata: { name: 'training', namespace: 'shop', generation: this.#generation, resourceVersion: '418871' },
      spec: { replicas: this.replicas, selector: { matchLabels: { app: 'training' } } },
      status: { observedGeneration: this.#observed, ...counts, ...ready, ...(isLate && { conditions: [late] }) },
    };
  }

  get scaleObject(): object {
    return {
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      metadata: { name: 'training', namespace: 'shop' },
      spec: { replicas: this.replicas },
      status: { replicas: this.#pods.length, selector: 'app=training' },
    };
  }

  get podList(): object {
    const items = this.#pods.map((name, i) => ({
      metadata: { name },
      spec: { containers: [{ name: 'server', ports: [{ containerPort: 3001, protocol: 'TCP' }] }] },
      status: {
        phase: 'Running',
        podIP: `10.1.0.${i + 1}`,
        conditions: [{ type: 'Ready', status: i < this.#ready ? 'True' : 'False' }],
      },
    }));
    const ended = { metadata: { name: 'training-6d4b75cb6d-gone' }, status: { phase: 'Failed', reason: 'Evicted' } };
    return { kind: 'PodList', apiVersion: 'v1', items: [...items, ended] };
  }
}

async function bodyOf(req: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of req.setEncoding('utf8')) text += part as string;
  return text;
}

/** Starts one on a free port. */
export async function kubernetesServer(folder: string): Promise<KubernetesServer> {
  const cluster = new Cluster();
  const requests: string[] = [];
  const refusals: Refusal[] = [];
  let token = '';
  const rotateToken = (next: string): void => writeFileSync(join(folder, 'token'), (token = next));

  function answer(req: IncomingMessage, body: string): object | Refusal {
    if (req.headers.authorization !== `Bearer ${token}`) return failure(401, 'Unauthorized', 'Unauthorized');
    const refusal = refusals.shift();
    if (refusal !== undefined) return refusal;
    switch (`${req.method} ${req.url}`) {
      case `GET ${DEPLOYMENT}`:
        cluster.step();
        return cluster.deployment;
      case `GET ${DEPLOYMENT}/scale`:
        return cluster.scaleObject;
      case `PATCH ${DEPLOYMENT}/scale`:
        if (req.headers['content-type'] !== 'application/merge-patch+json')
          return failure(415, 'UnsupportedMediaType', 'the body of the request was in an unknown format');
        cluster.scale((JSON.parse(body) as { spec: { replicas: number } }).spec.replicas);
        return cluster.scaleObject;
      case `GET ${PODS}`:
        return cluster.podList;
      default:
        return failure(404, 'NotFound', `deployments.apps "${req.url?.split('/').at(-1)}" not found`);
    }
  }

  const server = createServer({ key, cert }, (req: IncomingMessage, res: ServerResponse) => {
    requests.push(`${req.method} ${req.url}`);
    void bodyOf(req).then((body) => {
      const given = answer(req, body);
      const {
        status,
        headers = {},
        body: text,
      } = 'status' in given && typeof given.status === 'number' ? given : { status: 200, body: JSON.stringify(given) };
      if (status === 0) req.socket.destroy();
      else res.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ca.crt'), cert);
  writeFileSync(join(folder, 'namespace'), 'shop\n');
  rotateToken('first-token');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serviceAccount: folder,
    requests,
    refusals,
    get stuck() {
      return cluster.stuck;
    },
    set stuck(value) {
      cluster.stuck = value;
    },
    get replicas() {
      return cluster.replicas;
    },
    set replicas(value) {
      cluster.scale(value);
    },
    rotateToken,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
