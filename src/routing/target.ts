/** Where an instance of a service is: what a user writes, and the one form everything else works with. */
import { checkOptions, count, number, oneOf, positive, string } from '../shared/options.js';

export interface TargetSpec {
  /** Unique within its service. Default `host:port`. */
  readonly id?: string;
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default http. */
  readonly protocol?: 'http' | 'https';
  /** Share of the traffic relative to the others. Default 1. */
  readonly weight?: number;
  /** Where it runs; traffic prefers the router's own zone. */
  readonly zone?: string;
}

/** As `TargetSpec`, with the address written as a URL: `{ url: 'http://127.0.0.1:3011', weight: 2 }`. */
export interface TargetUrl {
  readonly url: string;
  readonly id?: string;
  readonly weight?: number;
  readonly zone?: string;
}

/** A target complete. */
export interface Target {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** `protocol://host:port`, IPv6 in brackets. */
  readonly origin: string;
  readonly weight: number;
  readonly zone: string | undefined;
}

const DEFAULT_HOST = '127.0.0.1';

/** `host:port` as health monitors name an instance. */
export function addressOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The complete form of a target.
 *
 * @param who begins the message of an error
 * @throws TypeError or RangeError for a missing, unknown or wrong member, or a URL with more than an origin
 */
export function parseTarget(who: string, target: string | TargetUrl | TargetSpec): Target {
  if (typeof target === 'string') return fromUrl(who, { url: target });
  if (typeof target === 'object' && target !== null && 'url' in target) return fromUrl(who, target);
  return fromSpec(who, target);
}

function fromSpec(who: string, spec: TargetSpec): Target {
  const checked = checkOptions(who, spec, {
    id: string,
    port: { ...number({ min: 1, max: 65_535, integer: true }), expected: 'a port from 1 to 65535' },
    host: string,
    protocol: oneOf('http', 'https'),
    weight: positive,
    zone: string,
  });
  if (checked.port === undefined) throw new TypeError(`${who}: option 'port' is missing`);
  const { port, host = DEFAULT_HOST, protocol = 'http', weight = 1, zone } = checked;
  const address = addressOf(host, port);
  return { id: checked.id ?? address, host, port, protocol, origin: `${protocol}://${address}`, weight, zone };
}

function fromUrl(who: string, target: TargetUrl): Target {
  const { url, ...rest } = checkOptions(who, target, { url: string, id: string, weight: positive, zone: string });
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const protocol = parsed?.protocol.slice(0, -1);
  if (parsed === undefined || (protocol !== 'http' && protocol !== 'https')) {
    throw new TypeError(`${who}: expected a URL such as 'http://127.0.0.1:3011', got ${JSON.stringify(url)}`);
  }
  if (parsed.pathname !== '/' || parsed.search !== '' || parsed.username !== '') {
    throw new TypeError(`${who}: a target is an origin, without path, query or credentials, got '${parsed.origin}…'`);
  }
  const port = parsed.port === '' ? (protocol === 'https' ? 443 : 80) : Number(parsed.port);
  return fromSpec(who, { ...rest, host: parsed.hostname.replace(/^\[|\]$/g, ''), port, protocol });
}

/** Whether two targets differ in nothing but their weight. */
export function sameAddress(a: Target, b: Target): boolean {
  return a.origin === b.origin && a.zone === b.zone;
}

/** The rule of a port alone. */
export const portCheck = { ...count(), expected: 'a port from 1 to 65535', range: (port: number) => port <= 65_535 };
