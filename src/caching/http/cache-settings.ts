/** The resolved configuration that the parts of the response cache share. */
import type { ControlMode } from '../../shared/control-access.js';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TrustedHop } from '../../shared/client-address.js';
import type { Clock } from '../../shared/clock.js';
import type { CacheCounts } from './cache-counts.js';
import type { IdentityRule } from './identity.js';
import type { CaptureBudget } from './captured-chunks.js';
import type { ResponseStore } from './response-store.js';

/** Milliseconds of freshness for a response that states none; undefined: it is not stored. */
export type TtlFunction<Req extends IncomingMessage = IncomingMessage, Res extends ServerResponse = ServerResponse> = (
  req: Req,
  res: Res,
) => number | undefined;

/**
 * The directives of a client's own `Cache-Control` that are obeyed. `honour`: all that RFC 9111 §5.2.1 defines.
 * `ignore`: none. `validators-only`: a client can make the cache validate a stored response that has a validator.
 */
export type ClientDirectives = 'honour' | 'ignore' | 'validators-only';

export interface CacheSettings {
  readonly store: ResponseStore;
  readonly clock: Clock;
  readonly counts: CacheCounts;
  readonly budget: CaptureBudget;
  readonly shared: boolean;
  readonly heuristic: boolean;
  readonly clientDirectives: ClientDirectives;
  readonly identity: IdentityRule;
  readonly ttl: number | TtlFunction | undefined;
  readonly key: ((req: IncomingMessage) => string) | undefined;
  readonly vary: readonly string[];
  readonly tags: (req: IncomingMessage, res: ServerResponse) => readonly string[];
  readonly methods: ReadonlySet<string>;
  readonly bypass: ((req: IncomingMessage) => boolean) | undefined;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly lockTimeout: number;
  readonly isTrusted: TrustedHop;
  /** Whether `PURGE` requests are answered. */
  readonly purge: boolean;
  readonly controlToken: string | undefined;
  readonly control: ControlMode | undefined;
  /**
   * Calls an option's callback. If it throws, that counts as a failure, returns `otherwise` and warns the first time.
   */
  readonly guarded: <T>(option: string, callback: () => T, otherwise: T) => T;
  /** As it opens the member of `Cache-Status`. */
  readonly name: string;
  readonly exposeKey: boolean;
}

/** Whether the option `bypass` excludes a request. If it fails, it does. */
export function isBypassed({ bypass, guarded }: CacheSettings, req: IncomingMessage): boolean {
  return bypass !== undefined && guarded('bypass', () => isTrue(bypass(req)), true);
}

/** A promise is truthy in JavaScript but is not an answer. */
function isTrue(value: unknown): boolean {
  if (!(value instanceof Promise)) return Boolean(value);
  value.catch(() => undefined);
  throw new TypeError('expected a boolean, got a promise');
}
