/** The other services of the fleet, as a server reaches them: who is where, and a client for each. */
import type { AxiosInstance } from 'axios';
import { IntelligentRouter, registryTargets, serviceClient, staticTargets } from '../../src/index.js';
import { portOf, type FleetConfig } from './config.js';
import { SERVICE_NAMES, type ServiceName } from './fleet.js';

export interface Peers {
  /** Knows the instances of every service. */
  readonly router: IntelligentRouter;
  /** An HTTP client: carries the trace, retries what is safe to, breaks, collapses equal requests. */
  client(service: ServiceName): AxiosInstance;
  close(): Promise<void>;
}

export interface PeersOptions {
  readonly config: FleetConfig;
  /** Base URLs in place of what the settings say. */
  readonly overrides: Partial<Record<ServiceName, string>>;
  /** Told of each client as it is made. */
  readonly onClient?: (service: ServiceName, client: AxiosInstance) => void;
}

/** How long a service may take to answer another, retries included, in ms. */
const CLIENT_TIMEOUT = 5_000;

/** The instances an orchestrator tells of, or, without one, each service on its own port of this machine. */
export function openPeers({ config, overrides, onClient }: PeersOptions): Peers {
  const router = new IntelligentRouter();
  const registry = config.ORCHESTRATOR_URL === undefined ? undefined : registryTargets(config.ORCHESTRATOR_URL);
  for (const name of SERVICE_NAMES) {
    const url = overrides[name] ?? baseUrl(config, name, registry !== undefined);
    if (url !== undefined) router.follow(name, staticTargets([url]));
    else if (registry !== undefined) router.follow(name, registry);
  }
  const clients = new Map<ServiceName, AxiosInstance>();
  return {
    router,
    client(service) {
      const known = clients.get(service);
      if (known !== undefined) return known;
      const client = serviceClient(service, { router, timeout: CLIENT_TIMEOUT });
      onClient?.(service, client);
      clients.set(service, client);
      return client;
    },
    async close() {
      await registry?.close();
      router.close();
    },
  };
}

/** Where a service always is; undefined for what the registry tells, or nobody knows (a port the system chose). */
function baseUrl(config: FleetConfig, name: ServiceName, hasRegistry: boolean): string | undefined {
  if (hasRegistry) return name === 'orchestrator' ? config.ORCHESTRATOR_URL : undefined;
  const port = portOf(config, name);
  return port === 0 ? undefined : `http://127.0.0.1:${port}`;
}
