/**
 * The definition of a server. A server file names its parts, and `create-server.ts` joins them in the order trace →
 * health → rate limit → cache → forwarding → routes, with a database of its own.
 */
import type { RequestListener, Server } from 'node:http';
import type { AxiosInstance } from 'axios';
import type { RequestHandler } from 'express';
import type { Kysely } from 'kysely';
import type {
  Clock,
  DistributedTracer,
  Middleware,
  MultiLayerCacheManager,
  RateLimitOptions,
} from '../../src/index.js';
import type { History } from '../history/history.js';
import type { ServiceSize } from '../history/step.js';
import type { Environment, FleetConfig } from './config.js';
import { createServer } from './create-server.js';
import type { Migration } from './database.js';
import type { ServiceName } from './fleet.js';
import type { LogTail } from './log-tail.js';
import type { Logger } from './logger.js';
import type { Peers } from './peers.js';
import type { Pulse } from './pulse.js';
import type { DestinationStream } from 'pino';
import type { RouteTable } from './route-table.js';
import type { CachePlan } from './service-cache.js';
import type { Forward } from './system-routes.js';
import type { WorkerGroup } from '../workers/worker-group.js';

export { runWhenMain } from './run.js';

/** What the code of a service can use. */
export interface ServiceContext<DB = unknown> {
  readonly name: ServiceName;
  readonly config: FleetConfig;
  readonly env: Environment;
  readonly log: Logger;
  readonly tracer: DistributedTracer;
  /** The traffic of the service per time slot, recorded while the control room reads it. */
  readonly pulse: Pulse;
  readonly db: Kysely<DB>;
  /** Notes events for the charts of the control room. */
  readonly history: Pick<History, 'note'>;
  /** Epoch milliseconds, and timers. */
  readonly clock: Clock;
  readonly controlToken: string | undefined;
  /** The processes of this server, if it has several. */
  readonly workers: WorkerGroup | undefined;
  /**
   * An HTTP client for another service. It propagates the trace, retries, has a circuit breaker, and deduplicates equal
   * requests.
   */
  readonly client: (service: ServiceName) => AxiosInstance;
  readonly peers: Peers;
  /** Opens the service's cache (memory over disk) and mounts `cacheResponse` on it before the routes. */
  readonly openCache: (plan: CachePlan) => MultiLayerCacheManager;
  /**
   * Invalidates a key, or the keys that match a pattern, in the caches of all services. Settles when all have removed
   * it, or after a short time limit.
   */
  readonly publishInvalidation: (name: string) => Promise<void>;
}

export interface ServiceParts {
  readonly routes: readonly RouteTable[];
  /** Runs before the limit, for example what identifies the caller. */
  readonly front?: readonly Middleware[];
  /** Runs after the limit and the cache, and before Express, which a forwarded request does not pay for. */
  readonly forward?: readonly Middleware[];
  /** Mounted in the Express application, before the routes and before body parsing. */
  readonly handlers?: readonly RequestHandler[];
  readonly limit?: RateLimitOptions;
  /** Path prefixes of other services, as listed by `/api/v1/system/routes`. */
  readonly forwards?: readonly Forward[];
  /** More engines for `/api/v1/system/observability`. */
  readonly engines?: () => Record<string, object>;
  /** Sizes of the fleet's services for the history: of the orchestrator only. */
  readonly fleetSizes?: () => Readonly<Record<string, ServiceSize>>;
  /** Handles upgrade requests (WebSocket). */
  readonly onUpgrade?: (server: Server) => void;
  readonly close?: () => void | Promise<void>;
}

export interface ServiceDefinition<DB> {
  readonly name: ServiceName;
  readonly migrations?: readonly Migration[];
  readonly routes: (context: ServiceContext<DB>) => readonly RouteTable[] | ServiceParts;
}

export interface CreateOptions {
  /** Replaces the environment of the process. */
  readonly env?: Environment;
  /** Base URLs of peers, which replace the default addresses. */
  readonly clients?: Partial<Record<ServiceName, string>>;
  readonly clock?: Clock;
  /** The processes of this server, if it has several. */
  readonly workers?: WorkerGroup;
  /** Receives the log lines instead of standard output. */
  readonly logTo?: DestinationStream;
  /** Stores the latest lines of the whole fleet. The caller adds those of this server. Default: a tail of its own. */
  readonly logs?: LogTail;
}

export interface FleetServer {
  /** The whole service as a listener, also for tests that need no port. */
  readonly app: RequestListener;
  readonly context: ServiceContext;
  /** Listens on the given port, or on the configured one. Resolves to the URL. */
  listen(port?: number): Promise<string>;
  /** Drains and closes everything. Idempotent. */
  readonly close: () => Promise<void>;
}

export interface ServerDefinition {
  readonly name: ServiceName;
  create(options?: CreateOptions): Promise<FleetServer>;
}

/** Defines a server from its parts. Nothing runs until `create` is called. */
export function defineServer<DB>(definition: ServiceDefinition<DB>): ServerDefinition {
  return { name: definition.name, create: (options) => createServer(definition, options ?? {}) };
}
