/** A response as it is stored: plain data that any layer can clone, with what its reuse depends on already worked out. */
import type { CacheControl } from './cache-control.js';
import type { FlatFields } from './fields.js';

/** What a response says about its own reuse. Durations in milliseconds. */
export interface ReusePolicy {
  /** Never reused without validation (RFC 9111 §5.2.2.4). */
  readonly noCache: boolean;
  /** Never reused stale: `must-revalidate`, and `proxy-revalidate` in a shared cache (§5.2.2.2, §5.2.2.8). */
  readonly mustRevalidate: boolean;
  /** Whether a request may accept it stale with `max-stale`; `s-maxage` forbids that in a shared cache (§5.2.2.10). */
  readonly allowsMaxStale: boolean;
  /** Fresh, it is what it will always be: a reload need not validate it (RFC 8246 §2). */
  readonly immutable: boolean;
  /** How long after its lifetime it may be served while it is being validated (RFC 5861 §3). */
  readonly staleWhileRevalidate: number;
  /** How long after its lifetime it may be served instead of an error (RFC 5861 §4). */
  readonly staleIfError: number;
}

/** Which bytes of the whole the body holds, where it does not hold all. */
export interface PartialBody {
  /** Position of the first byte held. */
  readonly start: number;
  /** Bytes of the whole. */
  readonly size: number;
}

/**
 * One stored response. Structured-clonable: a disk or remote layer returns an equal copy. `body` is a Buffer in memory
 * and after `v8.deserialize`, and a Uint8Array from other clones.
 */
export interface StoredResponse {
  readonly kind: 'response';
  readonly status: number;
  /** The reason phrase, where the origin chose another than the registered one. */
  readonly reason: string | undefined;
  /** Without what must not be stored (§3.1) and without `Age`; always with `Date`. */
  readonly headers: FlatFields;
  readonly trailers: FlatFields;
  readonly body: Uint8Array;
  /** Set for the stored part of a 206. */
  readonly part: PartialBody | undefined;
  /** When it arrived, or was last validated: epoch milliseconds. */
  readonly responseTime: number;
  /** Milliseconds of age it had then. */
  readonly initialAge: number;
  /** Milliseconds of freshness from when it was made. */
  readonly lifetime: number;
  /** Its `Date`, in epoch milliseconds: the newest of several matching responses is the one to use (§4). */
  readonly date: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly policy: ReusePolicy;
  /** Template of the route that made it: an answer from the cache is counted under it, though no router ran. */
  readonly route: string | undefined;
}

/** The variants stored for one key: the sets of request fields their `Vary` names (RFC 9111 §4.1). */
export interface VariantIndex {
  readonly kind: 'variants';
  /** Part of every variant's own key, so that variants of an invalidated index are never found again. */
  readonly generation: string;
  /** Sorted lowercase field names, one list for each set seen; the most recent first. */
  readonly varies: readonly (readonly string[])[];
}

export type StoredRecord = StoredResponse | VariantIndex;

export interface PolicyDefaults {
  readonly shared: boolean;
  /** For responses that state none of their own; milliseconds. */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
}

/**
 * The reuse policy of a response's directives. A deliberate deviation: `s-maxage` implies `proxy-revalidate` (§5.2.2.10),
 * yet a stated `stale-while-revalidate` or `stale-if-error` beside it is honoured, because whoever writes
 * both means both.
 */
export function reusePolicy(directives: CacheControl, defaults: PolicyDefaults): ReusePolicy {
  const { shared } = defaults;
  const inMilliseconds = (seconds: number | undefined, otherwise: number): number =>
    seconds === undefined ? otherwise : seconds * 1000;
  const mustRevalidate = directives.mustRevalidate === true || (shared && directives.proxyRevalidate === true);
  return {
    noCache: directives.noCache === true,
    mustRevalidate,
    allowsMaxStale: !mustRevalidate && !(shared && directives.sMaxAge !== undefined),
    immutable: directives.immutable === true,
    staleWhileRevalidate: inMilliseconds(directives.staleWhileRevalidate, defaults.staleWhileRevalidate),
    staleIfError: inMilliseconds(directives.staleIfError, defaults.staleIfError),
  };
}
