/**
 * Prepares every request that is forwarded: plain requests, requests with `Expect`, and upgrades. Decides the host,
 * path, method and fields, the description of the client, and the framing of the body.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TrustedHop } from '../../shared/client-address.js';
import { ResilienceError } from '../../shared/errors.js';
import { alignHost } from '../../shared/request-target.js';
import { cameFromClient, isClientClaim } from './client-claims.js';
import { addForwardedFields } from './forwarded.js';
import { endToEndFields, type ForwardedFields } from './headers.js';
import { BODY_FIELDS, serializeParsedBody } from './parsed-body.js';
import { takeOverContinue } from './server-attachment.js';
import { checkDots, pathBelow } from './request-path.js';
import { requestFraming, type Framing } from './transfer-coding.js';

/** Sees, and may change, the fields of each request that is sent: a plain object of lowercase names. */
export type RequestFieldsHook<Req extends IncomingMessage = IncomingMessage> = (
  headers: Record<string, string | string[]>,
  req: Req,
) => Record<string, string | string[]> | void;

export interface DoorSettings {
  readonly service: string | ((req: IncomingMessage) => string);
  readonly prefix: string | undefined;
  readonly rewrite: ((path: string, req: IncomingMessage) => string) | undefined;
  readonly key: ((req: IncomingMessage) => string | undefined) | undefined;
  readonly timeout: number | ((req: IncomingMessage) => number | undefined);
  readonly isTrusted: TrustedHop;
  /** Lowercase names of fields about the client that are accepted from any peer. */
  readonly allowedClaims: ReadonlySet<string>;
  readonly changeOrigin: boolean;
  readonly preserveHeaderCase: boolean;
  readonly onRequestHeaders: RequestFieldsHook | undefined;
  /** Whether to request bodies without a content coding from the instances. */
  readonly wantsPlainBodies: boolean;
}

/** The request for the upstream, the same for every attempt. */
export interface PreparedRequest {
  readonly service: string;
  readonly method: string;
  /** Path and query, without the base path of the target. */
  readonly path: string;
  readonly fields: ForwardedFields;
  readonly framing: Framing;
  /** The body, if a parser in front has read it. */
  readonly parsedBody: Buffer | undefined;
  readonly expectContinue: boolean;
  readonly hasTrailers: boolean;
  /** The key that the balancer may hash: the client's address or a session. */
  readonly key: string | undefined;
  /** Milliseconds until the deadline of the response head. */
  readonly timeout: number;
  readonly changesOrigin: boolean;
}

const DEFAULT_TIMEOUT = 30_000;

/** Rejects a request with a response that closes the connection of its client. */
function refuse(message: string): ResilienceError {
  return new ResilienceError('BAD_REQUEST', message, { headers: { Connection: 'close' } });
}

export class Door {
  readonly #settings: DoorSettings;

  constructor(settings: DoorSettings) {
    this.#settings = settings;
  }

  /** Milliseconds until the deadline of most requests. */
  get usualTimeout(): number {
    const { timeout } = this.#settings;
    return typeof timeout === 'number' ? timeout : DEFAULT_TIMEOUT;
  }

  /**
   * Prepares the request for the upstream.
   *
   * @param res undefined for an upgrade
   * @throws ResilienceError for a request that cannot be forwarded as it is; nothing was sent in that case
   */
  admit(req: IncomingMessage, res: ServerResponse | undefined): PreparedRequest {
    const { prefix, rewrite, key, timeout, service, changeOrigin } = this.#settings;
    if (!isSupported(req)) throw refuse(`HTTP/${req.httpVersion} is not forwarded`);
    const target = alignHost(req);
    if (typeof target === 'string') throw refuse(`the request has ${target}`);
    const path = this.#rewritten(req, pathBelow(req, prefix), rewrite);
    const framing = requestFraming(req);
    const isUpgrade = res === undefined;
    // One side would read its body as the first bytes of the new protocol, and the other side would not.
    if (isUpgrade && framing.kind !== 'none') throw refuse('an upgrade request must not have a body');
    const parsedBody = framing.kind === 'none' ? undefined : serializeParsedBody(req);
    const isStreamed = framing.kind !== 'none' && parsedBody === undefined;
    const fields = this.#fields(req, framing, parsedBody, isUpgrade);
    const maximum = typeof timeout === 'function' ? timeout(req) : timeout;
    return {
      service: typeof service === 'function' ? service(req) : service,
      method: req.method ?? 'GET',
      path,
      fields,
      framing,
      parsedBody: parsedBody?.bytes,
      expectContinue: isStreamed && req.headers.expect !== undefined && takeOverContinue(req),
      hasTrailers: isStreamed && framing.kind === 'chunked' && req.headers.trailer !== undefined,
      key: key?.(req),
      timeout: maximum ?? DEFAULT_TIMEOUT,
      changesOrigin: changeOrigin,
    };
  }

  #rewritten(req: IncomingMessage, path: string, rewrite: DoorSettings['rewrite']): string {
    if (rewrite === undefined) return path;
    const rewritten = rewrite(path, req);
    if (typeof rewritten !== 'string' || !rewritten.startsWith('/')) {
      throw new ResilienceError(
        'NOT_CONFIGURED',
        "proxyBalanced: option 'rewrite' must return a path that begins with /",
      );
    }
    checkDots(rewritten);
    return rewritten;
  }

  #fields(
    req: IncomingMessage,
    framing: Framing,
    parsedBody: ReturnType<typeof serializeParsedBody>,
    isUpgrade: boolean,
  ): ForwardedFields {
    const { isTrusted, allowedClaims, preserveHeaderCase, onRequestHeaders } = this.#settings;
    const trusted = isTrusted(req.socket.remoteAddress ?? '', 0);
    const sendsTrailers = framing.kind === 'chunked' && parsedBody === undefined;
    const prepared = endToEndFields(req, (name) => {
      if (name === 'expect' || REPLACED.has(name)) return true;
      if (name === 'accept-encoding') return this.#settings.wantsPlainBodies;
      if (name === 'trailer') return !sendsTrailers;
      if (name === 'content-length' && isUpgrade) return true;
      if (parsedBody !== undefined && (BODY_FIELDS.has(name) || name === 'content-type')) return true;
      if (trusted || !isClientClaim(name) || allowedClaims.has(name)) return false;
      return cameFromClient(req, name, req.headers[name]!);
    });
    const { fields } = prepared;
    if (parsedBody !== undefined) {
      if (parsedBody.type !== undefined) fields.push('content-type', parsedBody.type);
      fields.push('content-length', String(parsedBody.bytes.length));
    }
    if (this.#settings.wantsPlainBodies) fields.push('accept-encoding', 'identity');
    countForward(req, fields);
    addForwardedFields(fields, req, trusted);
    if (preserveHeaderCase) writeAsSent(fields, req.rawHeaders);
    if (onRequestHeaders !== undefined) return { ...prepared, fields: hooked(onRequestHeaders, fields, req) };
    return prepared;
  }
}

/** HTTP/1.x, and HTTP/2 itself: Node's parser of HTTP/1 takes other versions in the request line. */
function isSupported(req: IncomingMessage): boolean {
  const { httpVersionMajor: major } = req;
  return major === 1 || (major === 2 && 'stream' in req);
}

/** Fields that the proxy writes itself, continuing what a trusted peer says. */
const REPLACED: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'via',
]);

/** RFC 9110 §7.6.2: each hop reduces the value by one. A hop that must not forward the request responds itself. */
function countForward({ method, headers }: IncomingMessage, fields: string[]): void {
  if (method !== 'TRACE' && method !== 'OPTIONS') return;
  const left = headers['max-forwards'];
  if (left === undefined || !/^\d{1,9}$/.test(String(left))) return;
  fields[fields.indexOf('max-forwards') + 1] = String(Math.max(0, Number(left) - 1));
}

/** Whether this proxy must respond to the request itself because `Max-Forwards` is 0 (RFC 9110 §7.6.2). */
export function isLastForward({ method, headers }: IncomingMessage): boolean {
  return (method === 'TRACE' || method === 'OPTIONS') && /^0+$/.test(String(headers['max-forwards']));
}

function writeAsSent(fields: string[], rawHeaders: readonly string[]): void {
  const names = new Map<string, string>();
  for (let i = 0; i < rawHeaders.length; i += 2) names.set(rawHeaders[i]!.toLowerCase(), rawHeaders[i]!);
  for (let i = 0; i < fields.length; i += 2) fields[i] = names.get(fields[i]!) ?? fields[i]!;
}

/** The hook must not change the framing, so its values for it are ignored. */
const FRAMING: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'trailer',
]);

function hooked(hook: RequestFieldsHook, fields: readonly string[], req: IncomingMessage): string[] {
  const headers: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  const framing: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase();
    const value = fields[i + 1]!;
    if (FRAMING.has(name)) framing.push(fields[i]!, value);
    else headers[name] = headers[name] === undefined ? value : [headers[name], value].flat();
  }
  const { host, ...changed } = hook(headers, req) ?? headers;
  const result = host === undefined ? [] : ['host', String(host)];
  for (const [name, value] of Object.entries(changed)) {
    if (FRAMING.has(name.toLowerCase()) || value === undefined) continue;
    for (const one of [value].flat()) result.push(name, String(one));
  }
  return [...result, ...framing];
}
