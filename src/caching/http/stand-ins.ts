/**
 * Fields of proxies and frameworks that applications read instead of the target, the host or the scheme of a request.
 * Values that the key does not cover become part of its facet. A client therefore cannot put content of its choice into
 * a response that others receive (web cache poisoning through unkeyed input).
 */
import type { IncomingMessage } from 'node:http';
import { splitList } from './fields.js';

/** Fields that a proxy never uses to describe the request it received. Each value separates its copies. */
const ALWAYS_APART = [
  'x-forwarded-scheme',
  'x-forwarded-prefix',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-host',
  'x-original-host',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method-override',
  'x-method-override',
  'x-http-method',
  'front-end-https',
] as const;

/**
 * The fields in which a proxy describes the request it received. From an untrusted client, each value has its own
 * copies.
 */
const SAID_BY_PROXIES = ['x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port'] as const;

const SCHEME = /^https?$/;
const HOST = /^(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i;
const PAIR = /^\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^";,\s]*))\s*$/;

export interface Origin {
  readonly scheme: string;
  readonly host: string;
}

export interface EffectiveHost extends Origin {
  /** The values that scheme and host do not cover; '' for nearly all requests. */
  readonly unkeyed: string;
}

/** The scheme and host that the application uses as the client's. */
export function effectiveHost(req: IncomingMessage, own: Origin, isTrusted: boolean): EffectiveHost {
  const apart = linesOf(req, ALWAYS_APART);
  const { headers } = req;
  const forwarded = forwardedPairs(headers.forwarded);
  if (!isTrusted) {
    const said = linesOf(req, SAID_BY_PROXIES) + forwarded.others;
    return {
      scheme: own.scheme,
      host: own.host,
      unkeyed: apart + said + untold('proto', forwarded.proto, '') + untold('host', forwarded.host, ''),
    };
  }
  const proto = single(headers['x-forwarded-proto']);
  const host = single(headers['x-forwarded-host']);
  const scheme = valid(proto, SCHEME) ?? valid(forwarded.proto, SCHEME) ?? own.scheme;
  const effective = { scheme, host: valid(host, HOST) ?? valid(forwarded.host, HOST) ?? own.host };
  const unkeyed =
    apart +
    untold('proto', proto, effective.scheme) +
    untold('host', host, effective.host) +
    untold('own-host', own.host, effective.host) +
    untold('port', single(headers['x-forwarded-port']), portOf(effective)) +
    untold('forwarded-proto', forwarded.proto, effective.scheme) +
    untold('forwarded-host', forwarded.host, effective.host) +
    forwarded.others;
  return { scheme, host: effective.host, unkeyed };
}

function linesOf({ headers }: IncomingMessage, names: readonly string[]): string {
  let lines = '';
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) lines += `${name}: ${String(value)}\n`;
  }
  return lines;
}

const single = (value: string | string[] | undefined): string | undefined =>
  value === undefined ? undefined : String(value);

const valid = (value: string | undefined, form: RegExp): string | undefined =>
  value !== undefined && form.test(value) ? value : undefined;

/** A value equal to that of the key adds nothing. Lists, invalid values and contradictions do. */
function untold(name: string, value: string | undefined, told: string): string {
  if (value === undefined || value.toLowerCase() === told.toLowerCase()) return '';
  return `${name}: ${value}\n`;
}

function portOf({ scheme, host }: Origin): string {
  return /:(\d+)$/.exec(host)?.[1] ?? (scheme === 'https' ? '443' : '80');
}

interface ForwardedPairs {
  readonly proto: string | undefined;
  readonly host: string | undefined;
  /** Further statements about the origin besides those two: of other hops, or malformed ones. */
  readonly others: string;
}

const NOTHING_FORWARDED: ForwardedPairs = { proto: undefined, host: undefined, others: '' };

/**
 * Scheme and host from the first element of `Forwarded` (RFC 7239 §4). `for` and `by` describe hops, which must not be
 * in a key.
 */
function forwardedPairs(value: string | string[] | undefined): ForwardedPairs {
  if (value === undefined) return NOTHING_FORWARDED;
  const said = new Map<string, string>();
  let others = '';
  for (const [i, element] of splitList(String(value)).entries()) {
    for (const pair of element.split(';')) {
      const [, name = '', quoted, plain] = PAIR.exec(pair) ?? [];
      const lower = name.toLowerCase();
      if (lower === 'for' || lower === 'by') continue;
      const isFirst = i === 0 && (lower === 'proto' || lower === 'host') && !said.has(lower);
      if (isFirst) said.set(lower, quoted ?? plain ?? '');
      else others += `forwarded ${i}: ${pair}\n`;
    }
  }
  return { proto: said.get('proto'), host: said.get('host'), others };
}
