/** What the parts of the response cache share: its configuration, resolved, and the request being served. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TrustedHop } from '../../shared/client-address.js';
import type { Clock } from '../../shared/clock.js';
import type { NextFunction } from '../../shared/http.js';
import type { CacheControl } from './cache-control.js';
import type { CacheCounts } from './cache-counts.js';
import type { Fields } from './fields.js';
import type { Resource } from './request-key.js';
import type { CaptureBudget } from './response-capture.js';
import type { ResponseStore } from './response-store.js';
import type { ServedRequest } from './send-stored.js';

/** Milliseconds of freshness for a response that states none; undefined: it is not stored. */
export type TtlFunction = (req: IncomingMessage, res: ServerResponse) => number | undefined;

export interface CacheSettings {
  readonly store: ResponseStore;
  readonly clock: Clock;
  readonly counts: CacheCounts;
  readonly budget: CaptureBudget;
  readonly shared: boolean;
  readonly ttl: TtlFunction;
  readonly key: ((req: IncomingMessage) => string) | undefined;
  readonly vary: readonly string[];
  readonly tags: (req: IncomingMessage, res: ServerResponse) => readonly string[];
  readonly methods: ReadonlySet<string>;
  readonly bypass: (req: IncomingMessage) => boolean;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly lockTimeout: number;
  readonly isTrusted: TrustedHop;
  readonly controlToken: string | undefined;
  /** As it opens the member of `Cache-Status`. */
  readonly name: string;
  readonly exposeKey: boolean;
}

/** One request of a cacheable method and what it asks. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly next: NextFunction;
  readonly resource: Resource;
  readonly key: string;
  /** The request's fields as the client sent them. */
  readonly fields: Fields;
  readonly directives: CacheControl;
  readonly served: ServedRequest;
}
