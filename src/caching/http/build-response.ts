/**
 * Creates the stored response from a handler's response, or from an update of one. The rules of storing are applied
 * here once.
 */
import { STATUS_CODES } from 'node:http';
import type { CacheControl } from './cache-control.js';
import { fieldsOf, type Fields, type FlatFields } from './fields.js';
import {
  allowsHeuristics,
  dateOf,
  explicitLifetime,
  heuristicLifetime,
  initialAge,
  type FreshnessContext,
} from './freshness.js';
import { formatHttpDate } from './http-date.js';
import { parseContentRange } from './range.js';
import type { CapturedBody } from './response-capture.js';
import type { HeadFacts, ResponseHead } from './response-head.js';
import {
  identifies,
  isForEveryone,
  storableFields,
  whyNotStorable,
  type Credentials,
  type Unstorable,
} from './storable.js';
import { reusePolicy, type PolicyDefaults, type StoredResponse } from './stored-response.js';
import { responseDirectives } from './targeted-cache-control.js';
import { mergedVary, updateFields } from './update.js';
import { varyNames } from './vary.js';

/** A class, because it lives as long as its request: see `Exchange`. */
export class RequestFacts {
  readonly fields: Fields;
  readonly directives: CacheControl;
  /** The credentials of the request that the options consider. */
  readonly credentials: Credentials;
  /** When the request went to the origin: epoch milliseconds. */
  readonly requestTime: number;

  constructor({ fields, directives, credentials }: Omit<RequestFacts, 'requestTime'>, requestTime: number) {
    this.fields = fields;
    this.directives = directives;
    this.credentials = credentials;
    this.requestTime = requestTime;
  }
}

export interface BuildSettings extends PolicyDefaults {
  /** Milliseconds for a response that states no freshness; undefined: such a response is not stored. */
  readonly ttl: number | undefined;
  /** Whether `Last-Modified` alone gives a lifetime (RFC 9111 §4.2.2). */
  readonly heuristic: boolean;
  /** Request fields that every response varies on, in addition to those its `Vary` names. */
  readonly vary: readonly string[];
}

/** The assessment of a response once its head is known. */
export interface Assessment {
  readonly unstorable: Unstorable | undefined;
  readonly directives: CacheControl;
  /** Milliseconds of freshness; 0 for a response that must be validated each time. */
  readonly lifetime: number;
  readonly responseTime: number;
  /** The request fields it varies on; undefined: any field. */
  readonly varies: readonly string[] | undefined;
  /** No default of the operator may extend its use: it states that it is stale at once, or belongs to one user. */
  readonly isUntouchable: boolean;
}

/** Assesses a head: whether its response may be stored and how long it stays fresh. */
export function assess(head: HeadFacts, request: RequestFacts, settings: BuildSettings, now: number): Assessment {
  const { directives, targeted } = responseDirectives(head.fields);
  const { status, fields } = head;
  const { shared } = settings;
  const context = { status, fields, directives, targeted, shared, responseTime: now };
  const isOneUsers = shared && identifies(request.credentials) && !isForEveryone(directives);
  const lifetime = lifetimeOf(context, settings, isOneUsers);
  const varies = varyNames(fields.vary, settings.vary);
  const rule = whyNotStorable({
    credentials: request.credentials,
    varies,
    lifetime,
    requestDirectives: request.directives,
    status,
    fields,
    directives,
    shared,
  });
  const unstorable = rule ?? whyNotUseful(head, directives, lifetime);
  const isUntouchable = isOneUsers || (explicitLifetime(context) ?? 1) <= 0;
  return { unstorable, directives, lifetime: lifetime ?? 0, responseTime: now, varies, isUntouchable };
}

/**
 * The lifetime that the response states, else the operator's, else the heuristic; undefined without any of them (RFC
 * 9111 §4.2.1).
 */
function lifetimeOf(
  context: FreshnessContext,
  { ttl, heuristic }: BuildSettings,
  isOneUsers: boolean,
): number | undefined {
  const stated = explicitLifetime(context);
  if (stated !== undefined || isOneUsers) return stated;
  if (ttl !== undefined && allowsHeuristics(context)) return ttl;
  return heuristic ? heuristicLifetime(context) : undefined;
}

/** A response that can neither be fresh nor be validated is not stored. */
function whyNotUseful(head: HeadFacts, directives: CacheControl, lifetime: number | undefined): Unstorable | undefined {
  const { fields, status } = head;
  if (status === 206 && parseContentRange(fields['content-range']) === undefined) return 'status';
  const canBeValidated = fields.etag !== undefined || fields['last-modified'] !== undefined;
  const isFresh = lifetime !== undefined && lifetime > 0 && directives.noCache !== true;
  if (isFresh || (canBeValidated && (lifetime !== undefined || directives.noCache === true))) return undefined;
  return 'no-freshness';
}

/**
 * The stored form of a whole response; undefined for a 206 whose body is not its range: a middleware that compresses parts
 * sends other bytes than `Content-Range` names.
 */
export function buildResponse(
  head: ResponseHead,
  assessment: Assessment,
  { body, trailers }: CapturedBody,
  request: RequestFacts,
  settings: BuildSettings,
): StoredResponse | undefined {
  const { directives } = assessment;
  const stored = storableFields(head.headers, head.fields.connection, { directives, shared: settings.shared });
  const range = head.status === 206 ? parseContentRange(head.fields['content-range']) : undefined;
  if (range !== undefined && body.length !== range.end - range.start + 1) return undefined;
  return {
    ...derived(assessment, head.fields, request, settings),
    kind: 'response',
    status: head.status,
    reason: head.reason === STATUS_CODES[head.status] ? undefined : head.reason,
    headers: framed(withDate(stored, assessment.responseTime), head.status, body, trailers),
    removed: head.removed.length === 0 ? undefined : head.removed,
    trailers: storableFields(trailers, undefined, { directives, shared: settings.shared }),
    body,
    route: head.route,
    part: range === undefined ? undefined : { start: range.start, size: range.size },
  };
}

/** A stored response after the origin confirmed it: its own body, the newer fields, and a new lifetime (§4.3.4). */
export function refreshResponse(
  stored: StoredResponse,
  head: ResponseHead,
  request: RequestFacts,
  settings: BuildSettings,
  now: number,
): StoredResponse {
  const former = fieldsOf(stored.headers);
  const vary = mergedVary(former, head.fields);
  const fields: Fields = { ...former, date: undefined, ...head.fields, vary };
  const assessment = assess({ status: stored.status, fields }, request, settings, now);
  const { directives } = assessment;
  const newer = storableFields(head.headers, head.fields.connection, { directives, shared: settings.shared });
  return {
    ...stored,
    ...derived(assessment, fields, request, settings),
    headers: updateFields(stored.headers, withDate(newer, now)),
  };
}

type Derived = Pick<
  StoredResponse,
  'responseTime' | 'initialAge' | 'lifetime' | 'date' | 'etag' | 'lastModified' | 'policy'
>;

function derived(assessment: Assessment, fields: Fields, request: RequestFacts, settings: BuildSettings): Derived {
  const { responseTime, lifetime, directives, isUntouchable, varies } = assessment;
  const defaults = isUntouchable ? { ...settings, staleWhileRevalidate: 0, staleIfError: 0 } : settings;
  return {
    responseTime,
    initialAge: initialAge(fields, request.requestTime, responseTime),
    lifetime,
    date: dateOf(fields, responseTime),
    etag: fields.etag,
    lastModified: fields['last-modified'],
    policy: reusePolicy(directives, defaults, varies, lifetime <= 0),
  };
}

/** Node adds `Date` only when it sends. A stored response keeps the time at which it was made (RFC 9110 §6.6.1). */
function withDate(flat: readonly string[], now: number): string[] {
  const hasDate = flat.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'date');
  return hasDate ? [...flat] : [...flat, 'Date', formatHttpDate(now)];
}

/**
 * The framing of the body: its length, known once it is stored. A response with trailers has no length, because it is
 * sent in chunks.
 */
function framed(flat: FlatFields, status: number, body: Uint8Array, trailers: FlatFields): string[] {
  const kept: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!.toLowerCase();
    if (name !== 'content-length' && name !== 'trailer') kept.push(flat[i]!, flat[i + 1]!);
  }
  if (status === 204 || trailers.length > 0) return kept;
  return [...kept, 'Content-Length', String(body.length)];
}
