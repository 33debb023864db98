/**
 * What a server is made of: a server file names its parts, `create-server.ts` joins them to
 * trace → health → rate limit → cache → routes over a database of its own.
 */
import type { Server } from 'node:http';
import type { AxiosInstance } from 'axios';
import type { Application, RequestHandler } from 'express';
import type { Kysely } from 'kysely';
import type { Clock, DistributedTracer, MultiLayerCacheManager, RateLimitOptions } from '../../src/index.js';
import type { Environment, FleetConfig } from './config.js';
import { createServer } from './create-server.js';
import type { Migration } from './database.js';
import type { ServiceName } from './fleet.js';
import type { Logger } from './logger.js';
import type { Peers } from './peers.js';
import type { Pulse } from './pulse.js';
import type { DestinationStream } from 'pino';
import type { RouteTable } from './route-table.js';
import type { CachePlan } from './service-cache.js';
import type { Forward } from './system-routes.js';

export { runWhenMain } from './run.js';

/** What a server's own code is given to work with. */
export interface ServiceContext<DB = unknown> {
  readonly name: ServiceName;
  readonly config: FleetConfig;
  readonly env: Environment;
  readonly log: Logger;
  readonly tracer: DistributedTracer;
  /** What the service does, second by second, while the control room looks. */
  readonly pulse: Pulse;
  readonly db: Kysely<DB>;
  /** Epoch milliseconds, and timers. */
  readonly clock: Clock;
  readonly controlToken: string | undefined;
  /** An HTTP client for another service of the fleet: carries the trace, retries, breaks, collapses equal requests. */
  readonly client: (service: ServiceName) => AxiosInstance;
  readonly peers: Peers;
  /** Opens the service's cache, memory over disk, and mounts `cacheResponse` on it before the routes. */
  readonly openCache: (plan: CachePlan) => MultiLayerCacheManager;
  /** Says that a key, or what matches a pattern, is outdated: gone from the caches of all services when it settles, or soon. */
  readonly publishInvalidation: (name: string) => Promise<void>;
}

export interface ServiceParts {
  readonly routes: readonly RouteTable[];
  /** Mounted before the routes, where bodies are not parsed yet. */
  readonly handlers?: readonly RequestHandler[];
  readonly limit?: RateLimitOptions;
  /** Path prefixes that are another service's, as `/api/v1/system/routes` shows them. */
  readonly forwards?: readonly Forward[];
  /** Further engines that `/api/v1/system/observability` shows. */
  readonly engines?: () => Record<string, object>;
  /** Upgrade requests (WebSocket). */
  readonly onUpgrade?: (server: Server) => void;
  readonly close?: () => void | Promise<void>;
}

export interface ServiceDefinition<DB> {
  readonly name: ServiceName;
  readonly migrations?: readonly Migration[];
  readonly routes: (context: ServiceContext<DB>) => readonly RouteTable[] | ServiceParts;
}

export interface CreateOptions {
  /** In place of the process' environment. */
  readonly env?: Environment;
  /** Base URLs of peers, in place of the fleet's ports. */
  readonly clients?: Partial<Record<ServiceName, string>>;
  readonly clock?: Clock;
  /** Receives the log lines, in place of standard output. */
  readonly logTo?: DestinationStream;
}

export interface FleetServer {
  readonly app: Application;
  readonly context: ServiceContext;
  /** Listens on the configured port, or the one given; settles with the URL. */
  listen(port?: number): Promise<string>;
  /** Drains and closes everything. Idempotent. */
  readonly close: () => Promise<void>;
}

export interface ServerDefinition {
  readonly name: ServiceName;
  create(options?: CreateOptions): Promise<FleetServer>;
}

/** A server from its parts. Nothing runs until `create` is called. */
export function defineServer<DB>(definition: ServiceDefinition<DB>): ServerDefinition {
  return { name: definition.name, create: (options) => createServer(definition, options ?? {}) };
}
