/** The credentials for the Kubernetes API: from the options, or from the pod's environment. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ResilienceError } from '../../shared/errors.js';

/** The folder where the kubelet mounts the credentials of a pod's service account. */
const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** How to reach the API. Default: as a pod does. */
export interface CredentialOptions {
  /** Address of the API, e.g. `https://10.0.0.1:443`. Default: from the pod's environment. */
  readonly server?: string;
  /** Folder with `token`, `ca.crt` and `namespace`. Default: the folder mounted in a pod. */
  readonly serviceAccount?: string;
  /** Namespace of the deployments. Default: the pod's namespace. */
  readonly namespace?: string;
}

export interface Credentials {
  readonly server: URL;
  readonly namespace: string;
  readonly ca: string;
  /** Read again for each request, because the kubelet renews the token while the pod runs. */
  readonly token: () => string;
}

/** @throws ResilienceError NOT_CONFIGURED outside a pod, if the options are incomplete */
export function findCredentials(options: CredentialOptions, env: NodeJS.ProcessEnv = process.env): Credentials {
  const folder = options.serviceAccount ?? MOUNT;
  const read = (name: string): string => readSecret(join(folder, name)).trim();
  const server = options.server ?? serverOf(env);
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:')
    throw new TypeError(`kubernetes: option 'server': expected an https URL, got ${JSON.stringify(server)}`);
  return {
    server: new URL(server),
    namespace: options.namespace ?? read('namespace'),
    ca: read('ca.crt'),
    token: () => read('token'),
  };
}

function serverOf({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' }: NodeJS.ProcessEnv): string {
  if (host === undefined)
    throw new ResilienceError('NOT_CONFIGURED', "kubernetes: this is no pod; say where the API is in option 'server'");
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ResilienceError('NOT_CONFIGURED', `kubernetes: ${path} cannot be read`, { cause: error });
  }
}
