/** The other services of the fleet: the addresses of their instances, and an HTTP client for each service. */
import type { AxiosInstance } from 'axios';
import {
  dnsTargets,
  IntelligentRouter,
  registryTargets,
  serviceClient,
  staticTargets,
  type ResolvedAddress,
  type ServiceClient,
  type TargetSource,
} from '../../src/index.js';
import { portOf, type FleetConfig } from './config.js';
import { SERVICE_NAMES, type ServiceName } from './fleet.js';

export interface Peers {
  /** Knows the instances of every service. */
  readonly router: IntelligentRouter;
  /**
   * An HTTP client. It propagates the trace, retries safe requests, has a circuit breaker, and deduplicates equal
   * requests.
   */
  client(service: ServiceName): AxiosInstance;
  close(): Promise<void>;
}

export interface PeersOptions {
  readonly config: FleetConfig;
  /** Base URLs that replace those from the settings. */
  readonly overrides: Partial<Record<ServiceName, string>>;
  /** Called with each client when it is created. */
  readonly onClient?: (service: ServiceName, client: AxiosInstance) => void;
  /** Resolves the names built from `PEER_HOST`. Default: Node's resolver. */
  readonly resolve?: (host: string) => Promise<readonly ResolvedAddress[]>;
}

/** Time limit for a call to another service, in ms, including retries. */
const CLIENT_TIMEOUT = 5_000;

/** Interval between DNS lookups, in ms. A new instance gets traffic after at most this time. */
const DNS_INTERVAL = 5_000;

/** The instances reported by an orchestrator or, without one, the fixed address of each service from `PEER_HOST`. */
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
  const clients = new Map<ServiceName, ServiceClient>();
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
      // An idle connection delays the shutdown of the server at its other end by its grace of a second.
      for (const client of clients.values()) client.close();
      for (const source of sources) await source.close();
      router.close();
    },
  };
}

/** The fixed address of a service; undefined if it is not known, because the system chose the port. */
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
