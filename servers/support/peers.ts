/** The other services of the fleet, as a server reaches them: who is where, and a client for each. */
import type { AxiosInstance } from 'axios';
import {
  dnsTargets,
  IntelligentRouter,
  registryTargets,
  serviceClient,
  staticTargets,
  type ResolvedAddress,
  type TargetSource,
} from '../../src/index.js';
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
  /** Resolves the names that `PEER_HOST` makes in another way than Node does. */
  readonly resolve?: (host: string) => Promise<readonly ResolvedAddress[]>;
}

/** How long a service may take to answer another, retries included, in ms. */
const CLIENT_TIMEOUT = 5_000;

/** How often the addresses behind a name are asked for, in ms: a new instance waits for its share no longer. */
const DNS_INTERVAL = 5_000;

/** The instances an orchestrator tells of, or, without one, each service where `PEER_HOST` says. */
export function openPeers({ config, overrides, onClient, resolve }: PeersOptions): Peers {
  const router = new IntelligentRouter();
  const registry = config.ORCHESTRATOR_URL === undefined ? undefined : registryTargets(config.ORCHESTRATOR_URL);
  const sources = new Set<TargetSource>();
  for (const name of SERVICE_NAMES) {
    const url = overrides[name] ?? (name === 'orchestrator' ? config.ORCHESTRATOR_URL : undefined);
    const source = url === undefined ? (registry ?? placedSource(config, name, resolve)) : staticTargets([url]);
    if (source === undefined) continue;
    sources.add(source);
    router.follow(name, source);
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
      for (const source of sources) await source.close();
      router.close();
    },
  };
}

/** Where a service always is; undefined where nobody knows (a port the system chose). */
function placedSource(
  config: FleetConfig,
  name: ServiceName,
  resolve: PeersOptions['resolve'],
): TargetSource | undefined {
  const port = portOf(config, name);
  const host = config.PEER_HOST.replaceAll('{service}', name);
  if (port === 0) return undefined;
  if (host === config.PEER_HOST) return staticTargets([{ host, port }]);
  return dnsTargets(host, { port, interval: DNS_INTERVAL, ...(resolve && { resolve }) });
}
