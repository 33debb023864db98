/** The address of an instance of a service: the forms a user writes, and the one normalised form used elsewhere. */
import { checkOptions, count, number, oneOf, string } from '../shared/options.js';

/** The address of an instance, and its weight and zone. */
export interface TargetSpec {
  /** Unique within its service. Default `host:port`. */
  readonly id?: string;
  /** Required unless there is a `socketPath`. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default http. */
  readonly protocol?: 'http' | 'https';
  /** Share of the traffic relative to the other targets; 0 receives none. Default 1. */
  readonly weight?: number;
  /** The zone it runs in. Traffic prefers the zone of the router. */
  readonly zone?: string;
  /** Path of a Unix domain socket, instead of host and port. */
  readonly socketPath?: string;
  /** Prefixed to every path, e.g. `/v2`. Default: none. */
  readonly basePath?: string;
  /** The name that its certificate must have, if `host` is an address. Default: the host. */
  readonly serverName?: string;
}

/**
 * As `TargetSpec`, with the address written as a URL: `{ url: 'http://127.0.0.1:3011', weight: 2 }`. The schemes are
 * `http`, `https`, `ws`, `wss` and `unix` (`unix:/run/api.sock`); a path is the base path.
 */
export interface TargetUrl {
  readonly url: string;
  readonly id?: string;
  readonly weight?: number;
  readonly zone?: string;
}

/** A target with all its members. */
export interface Target {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** `protocol://host:port`, IPv6 in brackets; `unix:/path` for a socket. Targets of one origin share connections. */
  readonly origin: string;
  /** `host[:port]` as a Host field names it. */
  readonly authority: string;
  readonly weight: number;
  readonly zone: string | undefined;
  readonly socketPath: string | undefined;
  /** Empty, or begins with `/` and does not end with it. */
  readonly basePath: string;
  readonly serverName: string | undefined;
}

const DEFAULT_HOST = '127.0.0.1';

/** `host:port`, the name of the instance in health monitors. */
export function addressOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The complete form of a target.
 *
 * @param who the beginning of an error message
 * @throws TypeError or RangeError for a missing, unknown or invalid member, or for a URL with more than an origin
 */
export function parseTarget(who: string, target: string | TargetUrl | TargetSpec): Target {
  if (typeof target === 'string') return fromUrl(who, { url: target });
  if (typeof target === 'object' && target !== null && 'url' in target) return fromUrl(who, target);
  return fromSpec(who, target);
}

const weightCheck = number({ min: 0 });

function fromSpec(who: string, spec: TargetSpec): Target {
  const checked = checkOptions(who, spec, {
    id: string,
    port: { ...number({ min: 1, max: 65_535, integer: true }), expected: 'a port from 1 to 65535' },
    host: string,
    protocol: oneOf('http', 'https'),
    weight: weightCheck,
    zone: string,
    socketPath: string,
    basePath: { ...string, range: (path: string) => path.startsWith('/') && !/[?#]/.test(path), expected: 'a path' },
    serverName: string,
  });
  const { socketPath, host = socketPath === undefined ? DEFAULT_HOST : 'localhost', protocol = 'http' } = checked;
  const port = checked.port ?? (socketPath === undefined ? undefined : DEFAULT_PORTS[protocol]);
  if (port === undefined) throw new TypeError(`${who}: option 'port' is missing`);
  const address = socketPath === undefined ? addressOf(host, port) : `unix:${socketPath}`;
  return {
    id: checked.id ?? address,
    host,
    port,
    protocol,
    origin: originOf(protocol, address, checked),
    authority: port === DEFAULT_PORTS[protocol] ? addressOf(host, port).replace(/:\d+$/, '') : addressOf(host, port),
    weight: checked.weight ?? 1,
    zone: checked.zone,
    socketPath,
    basePath: (checked.basePath ?? '').replace(/\/+$/, ''),
    serverName: checked.serverName,
  };
}

const DEFAULT_PORTS = { http: 80, https: 443 } as const;

/**
 * Connections under different names are not shared, because the certificate of one name proves nothing about another.
 */
function originOf(protocol: string, address: string, { socketPath, serverName }: TargetSpec): string {
  const origin = socketPath === undefined || protocol === 'https' ? `${protocol}://${address}` : address;
  return serverName === undefined ? origin : `${origin}#${serverName}`;
}

const SCHEMES: Readonly<Record<string, 'http' | 'https'>> = { http: 'http', https: 'https', ws: 'http', wss: 'https' };

function fromUrl(who: string, target: TargetUrl): Target {
  const { url, ...rest } = checkOptions(who, target, { url: string, id: string, weight: weightCheck, zone: string });
  if (url.startsWith('unix:')) return fromSpec(who, { ...rest, ...readUnix(url.slice('unix:'.length)) });
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const protocol = parsed && SCHEMES[parsed.protocol.slice(0, -1)];
  if (parsed === undefined || protocol === undefined) {
    throw new TypeError(`${who}: expected a URL such as 'http://127.0.0.1:3011', got ${JSON.stringify(url)}`);
  }
  if (parsed.search !== '' || parsed.hash !== '' || parsed.username !== '' || parsed.password !== '') {
    throw new TypeError(
      `${who}: a target has no query, fragment or credentials, got '${parsed.protocol}//${parsed.host}…'`,
    );
  }
  const port = parsed.port === '' ? DEFAULT_PORTS[protocol] : Number(parsed.port);
  const basePath = parsed.pathname === '/' ? undefined : parsed.pathname;
  return fromSpec(who, { ...rest, host: parsed.hostname.replace(/^\[|\]$/g, ''), port, protocol, basePath });
}

/** `/run/api.sock`, or with a base path in nginx's syntax: `/run/api.sock:/v2`. */
function readUnix(text: string): Pick<TargetSpec, 'socketPath' | 'basePath'> {
  const path = text.replace(/^\/\/(?=\/)/, '');
  const colon = path.indexOf(':/');
  return colon === -1 ? { socketPath: path } : { socketPath: path.slice(0, colon), basePath: path.slice(colon + 1) };
}

/** The check of a port alone. */
export const portCheck = { ...count(), expected: 'a port from 1 to 65535', range: (port: number) => port <= 65_535 };
