/** A stored response: plain data that any layer can clone, including the precomputed conditions of its reuse. */
import type { CacheControl } from './cache-control.js';
import type { FlatFields } from './fields.js';
import { answersCredentials, type Credentials } from './storable.js';

/** The rules of a response for its reuse. Durations in milliseconds. */
export interface ReusePolicy {
  /** Never reused without validation (RFC 9111 §5.2.2.4). */
  readonly noCache: boolean;
  /** Never reused stale: `must-revalidate`, and `proxy-revalidate` in a shared cache (§5.2.2.2, §5.2.2.8). */
  readonly mustRevalidate: boolean;
  /** Whether a request may accept it stale with `max-stale`; `s-maxage` forbids that in a shared cache (§5.2.2.10). */
  readonly allowsMaxStale: boolean;
  /** It never changes while it is fresh, so a reload does not need to validate it (RFC 8246 §2). */
  readonly immutable: boolean;
  /** How long after its lifetime it may be served while it is being validated (RFC 5861 §3). */
  readonly staleWhileRevalidate: number;
  /** How long after its lifetime it may be served instead of an error (RFC 5861 §4). */
  readonly staleIfError: number;
  /** The credentials that a request may carry to be answered by it. Absent: no credentials. */
  readonly answers?: Credentials;
}

/** The position of the body within the whole, if it is only a part. */
export interface PartialBody {
  /** Position of the first stored byte. */
  readonly start: number;
  /** Bytes of the whole representation. */
  readonly size: number;
}

/**
 * One stored response. Structured-clonable: a disk or remote layer returns an equal copy. `body` is a Buffer in memory
 * and after `v8.deserialize`, and a Uint8Array from other clones.
 */
export interface StoredResponse {
  readonly kind: 'response';
  readonly status: number;
  /** The reason phrase, if it differs from the registered one. */
  readonly reason: string | undefined;
  /** Without the fields that must not be stored (§3.1) and without `Age`; always with `Date`. */
  readonly headers: FlatFields;
  /** Fields that middleware before the cache sets for every request, but that this response lacks, in lowercase. */
  readonly removed?: readonly string[] | undefined;
  readonly trailers: FlatFields;
  readonly body: Uint8Array;
  /** Set for the stored part of a 206. */
  readonly part: PartialBody | undefined;
  /** When it arrived, or was last validated: epoch milliseconds. */
  readonly responseTime: number;
  /** Its age at that time in milliseconds. */
  readonly initialAge: number;
  /** Milliseconds of freshness since it was made. */
  readonly lifetime: number;
  /** Its `Date`, in epoch milliseconds: the newest of several matching responses is the one to use (§4). */
  readonly date: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly policy: ReusePolicy;
  /** Template of the route that made it. Responses from the cache are counted under it, although no router ran. */
  readonly route: string | undefined;
}

/** The variants stored for one key: the sets of request fields their `Vary` names (RFC 9111 §4.1). */
export interface VariantIndex {
  readonly kind: 'variants';
  /** Part of every variant's own key, so that variants of an invalidated index are never found again. */
  readonly generation: string;
  /** Sorted lowercase field names, one list per known set; the most recent first. */
  readonly varies: readonly (readonly string[])[];
}

export type StoredRecord = StoredResponse | VariantIndex;

export interface PolicyDefaults {
  readonly shared: boolean;
  /** For responses without their own value; milliseconds. */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
}

/**
 * The reuse policy from a response's directives. It deviates from the RFC on purpose: `s-maxage` implies
 * `proxy-revalidate` (§5.2.2.10), but a `stale-while-revalidate` or `stale-if-error` beside it is still honoured,
 * because a server that sends both intends both.
 */
export function reusePolicy(
  directives: CacheControl,
  defaults: PolicyDefaults,
  varies: readonly string[] | undefined,
  isNeverFresh: boolean,
): ReusePolicy {
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
    answers: answersCredentials(directives, varies, isNeverFresh || directives.noCache === true),
  };
}
