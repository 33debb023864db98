/** From a handler's response, or an update of one, to what is stored: the rules of storing, applied once. */
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
import type { CapturedBody, ResponseHead } from './response-capture.js';
import { storableFields, whyNotStorable, type Unstorable } from './storable.js';
import { reusePolicy, type PolicyDefaults, type StoredResponse } from './stored-response.js';
import { responseDirectives } from './targeted-cache-control.js';
import { updateFields } from './update.js';

export interface RequestFacts {
  readonly fields: Fields;
  readonly directives: CacheControl;
  /** When it went to the origin: epoch milliseconds. */
  readonly requestTime: number;
}

export interface BuildSettings extends PolicyDefaults {
  /** Milliseconds for a response that states no freshness; undefined: such a response is not stored. */
  readonly ttl: number | undefined;
}

/** What can be said of a response once its head is known. */
export interface Assessment {
  readonly head: ResponseHead;
  readonly unstorable: Unstorable | undefined;
  readonly directives: CacheControl;
  /** Milliseconds of freshness; 0 for one that has to be validated each time. */
  readonly lifetime: number;
  readonly responseTime: number;
}

/** Judges a head: whether its response is to be stored and how long it stays fresh. */
export function assess(head: ResponseHead, request: RequestFacts, settings: BuildSettings, now: number): Assessment {
  const { directives, targeted } = responseDirectives(head.fields);
  const { status, fields } = head;
  const { shared } = settings;
  const context = { status, fields, directives, targeted, shared, responseTime: now };
  const lifetime = lifetimeOf(context, settings.ttl);
  const rule = whyNotStorable({
    requestFields: request.fields,
    requestDirectives: request.directives,
    status,
    fields,
    directives,
    shared,
  });
  const unstorable = rule ?? whyNotUseful(head, directives, lifetime);
  return { head, unstorable, directives, lifetime: lifetime ?? 0, responseTime: now };
}

/** What the response states, else what the operator says, else the heuristic; undefined: none of them says anything (RFC 9111 §4.2.1). */
function lifetimeOf(context: FreshnessContext, ttl: number | undefined): number | undefined {
  const stated = explicitLifetime(context);
  if (stated !== undefined) return stated;
  return ttl !== undefined && allowsHeuristics(context) ? ttl : heuristicLifetime(context);
}

/** What can neither be fresh nor be validated is not worth its room. */
function whyNotUseful(
  head: ResponseHead,
  directives: CacheControl,
  lifetime: number | undefined,
): Unstorable | undefined {
  const { fields, status } = head;
  if (status === 206 && parseContentRange(fields['content-range']) === undefined) return 'status';
  const canBeValidated = fields.etag !== undefined || fields['last-modified'] !== undefined;
  const isFresh = lifetime !== undefined && lifetime > 0 && directives.noCache !== true;
  if (isFresh || (canBeValidated && (lifetime !== undefined || directives.noCache === true))) return undefined;
  return 'no-freshness';
}

/** The stored form of a whole response. */
export function buildResponse(
  assessment: Assessment,
  { body, trailers }: CapturedBody,
  request: RequestFacts,
  settings: BuildSettings,
): StoredResponse {
  const { head, directives } = assessment;
  const stored = storableFields(head.headers, head.fields.connection, { directives, shared: settings.shared });
  const range = head.status === 206 ? parseContentRange(head.fields['content-range']) : undefined;
  return {
    ...derived(assessment, head.fields, request, settings),
    kind: 'response',
    status: head.status,
    reason: head.reason === STATUS_CODES[head.status] ? undefined : head.reason,
    headers: framed(withDate(stored, assessment.responseTime), head.status, body, trailers),
    trailers: storableFields(trailers, undefined, { directives, shared: settings.shared }),
    body,
    route: head.route,
    part: range === undefined ? undefined : { start: range.start, size: range.size },
  };
}

/** A stored response after the origin confirmed it: its own body, the newer fields, a new lease of life (§4.3.4). */
export function refreshResponse(
  stored: StoredResponse,
  head: ResponseHead,
  request: RequestFacts,
  settings: BuildSettings,
  now: number,
): StoredResponse {
  const fields: Fields = { ...fieldsOf(stored.headers), date: undefined, ...head.fields };
  const merged: ResponseHead = { ...head, status: stored.status, fields };
  const assessment = assess(merged, request, settings, now);
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
  const { responseTime, lifetime, directives } = assessment;
  return {
    responseTime,
    initialAge: initialAge(fields, request.requestTime, responseTime),
    lifetime,
    date: dateOf(fields, responseTime),
    etag: fields.etag,
    lastModified: fields['last-modified'],
    policy: reusePolicy(directives, settings),
  };
}

/** Node adds `Date` only when it sends; a stored response keeps that of its making (RFC 9110 §6.6.1). */
function withDate(flat: readonly string[], now: number): string[] {
  const hasDate = flat.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'date');
  return hasDate ? [...flat] : [...flat, 'Date', formatHttpDate(now)];
}

/** What frames the body: its length, known once it is stored; with trailers, none, for it is sent in chunks. */
function framed(flat: FlatFields, status: number, body: Uint8Array, trailers: FlatFields): string[] {
  const kept: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!.toLowerCase();
    if (name !== 'content-length' && name !== 'trailer') kept.push(flat[i]!, flat[i + 1]!);
  }
  if (status === 204 || trailers.length > 0) return kept;
  return [...kept, 'Content-Length', String(body.length)];
}
