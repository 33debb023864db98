/**
 * A Kubernetes control plane: the real API server with its store, and the real controllers of Deployments and ReplicaSets.
 * There is no node, so pods never run: this file reports their status in place of a kubelet.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { cert, key } from './tls.js';

/** Folder of the programs; docs/scaling.md says where they come from. */
const BINARIES = process.env.KUBERNETES_BINARIES ?? '';
const PROGRAMS = ['etcd', 'kube-apiserver', 'kube-controller-manager'] as const;

const missing = PROGRAMS.filter((name) => !existsSync(join(BINARIES, name)));
/** Why none can be run here; undefined when one can. */
export const clusterUnavailable = missing.length === 0 ? undefined : `KUBERNETES_BINARIES has no ${missing.join(', ')}`;

/** Tokens of an administrator with all rights, and of a user with only the rights that a test grants. */
const ADMIN = 'admin-token';
export const USER = 'scaler';
export const USER_TOKEN = 'scaler-token';

const NAMESPACE = 'shop';
/** Milliseconds between two looks at the pods. */
const KUBELET_INTERVAL = 50;

export type ApiObject = Record<string, unknown>;

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: { readonly phase?: string };
}

export class Cluster {
  readonly url: string;
  /** Whether pods that were created get ready. */
  kubeletWorks = true;
  readonly #processes: readonly ChildProcess[];
  readonly #agent: Agent;
  readonly #kubelet: NodeJS.Timeout;
  #seen = 0;

  private constructor(url: string, agent: Agent, processes: readonly ChildProcess[]) {
    this.url = url;
    this.#agent = agent;
    this.#processes = processes;
    let isLooking = false;
    this.#kubelet = setInterval(() => {
      if (isLooking || !this.kubeletWorks) return;
      isLooking = true;
      void this.#runPods()
        .catch(() => undefined) // it looks again
        .finally(() => (isLooking = false));
    }, KUBELET_INTERVAL);
  }

  /** @param folder where everything it writes goes */
  static async start(folder: string): Promise<Cluster> {
    const [client, peer, secure] = [await freePort(), await freePort(), await freePort()];
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const files = {
      'tokens.csv': `${ADMIN},admin,1,system:masters\n${USER_TOKEN},${USER},2\n`,
      'accounts.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      'server.crt': cert,
      'server.key': key,
      kubeconfig: kubeconfigOf(`https://127.0.0.1:${secure}`),
    };
    const at = (name: string): string => join(folder, name);
    mkdirSync(folder, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(at(name), text, { mode: 0o600 });
    const store = `http://127.0.0.1:${client}`;
    const processes = [
      run('etcd', [
        `--data-dir=${at('etcd')}`,
        `--listen-client-urls=${store}`,
        `--advertise-client-urls=${store}`,
        `--listen-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-cluster=default=http://127.0.0.1:${peer}`,
        '--unsafe-no-fsync',
      ]),
      run('kube-apiserver', [
        `--etcd-servers=${store}`,
        '--bind-address=127.0.0.1',
        `--secure-port=${secure}`,
        `--cert-dir=${at('certificates')}`,
        `--tls-cert-file=${at('server.crt')}`,
        `--tls-private-key-file=${at('server.key')}`,
        `--token-auth-file=${at('tokens.csv')}`,
        '--authorization-mode=RBAC',
        '--disable-admission-plugins=ServiceAccount',
        '--service-cluster-ip-range=10.96.0.0/16',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${at('accounts.pem')}`,
        `--service-account-signing-key-file=${at('accounts.pem')}`,
      ]),
      run('kube-controller-manager', [
        `--kubeconfig=${at('kubeconfig')}`,
        '--controllers=deployment,replicaset',
        '--leader-elect=false',
        `--secure-port=${await freePort()}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${at('certificates')}`,
      ]),
    ];
    const cluster = new Cluster(`https://127.0.0.1:${secure}`, new Agent({ ca: cert, keepAlive: true }), processes);
    try {
      await eventually(
        () => cluster.admin('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } }).catch(() => 0),
        (status) => status !== 0,
      );
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** Asks with every right; what came, of which a status of 300 or more is an error. */
  admin(method: string, path: string, body?: ApiObject): Promise<ApiObject> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers = { Authorization: `Bearer ${ADMIN}`, 'Content-Type': type };
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.url), { method, headers, agent: this.#agent }, (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (part: string) => (text += part));
        res.once('end', () => {
          if (res.statusCode! < 300) resolve(JSON.parse(text) as ApiObject);
          else reject(new Error(`${method} ${path}: ${res.statusCode} ${text}`));
        });
      });
      sent.once('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#kubelet);
    this.#agent.destroy();
    for (const child of [...this.#processes].reverse()) await end(child);
  }

  /** Reports each new pod as running and ready. */
  async #runPods(): Promise<void> {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
    const { items } = (await this.admin('GET', path)) as unknown as { items: readonly Pod[] };
    for (const { metadata, status } of items) {
      if (status.phase !== 'Pending' || metadata.deletionTimestamp !== undefined) continue;
      const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }];
      const told = { phase: 'Running', podIP: `10.1.0.${++this.#seen}`, conditions };
      await this.admin('PATCH', `${path}/${metadata.name}/status`, { status: told });
    }
  }
}

function run(program: (typeof PROGRAMS)[number], args: readonly string[]): ChildProcess {
  return spawn(join(BINARIES, program), args, { stdio: 'ignore' });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function kubeconfigOf(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [
      { name: 'test', cluster: { server, 'certificate-authority-data': Buffer.from(cert).toString('base64') } },
    ],
    users: [{ name: 'admin', user: { token: ADMIN } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  });
}
