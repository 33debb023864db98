/**
 * The client of a request: the peer's address or, behind trusted proxies, the address that they report. All code that
 * counts by client or admits local callers uses this module, so that there is one place to get it right.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * The peers whose `X-Forwarded-For` is trusted: none (false, the default), all (true: only if no client can reach the
 * server directly), the nearest `n` hops, or the addresses and networks listed ('loopback', '10.0.0.0/8', …).
 */
export type TrustProxy = boolean | number | string | readonly string[];

/** Whether the hop at this address, `distance` hops from this server (0: the peer itself), is trusted. */
export type TrustedHop = (address: string, distance: number) => boolean;

const NAMED_NETWORKS: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/**
 * An address as bytes: 4 for IPv4, including IPv4-mapped addresses, 16 for IPv6; undefined if the text is not an
 * address.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  const bare = stripDecoration(text);
  switch (isIP(bare)) {
    case 4:
      return Uint8Array.from(bare.split('.'), Number);
    case 6:
      return unmapped(parseIpv6(bare));
    default:
      return undefined;
  }
}

/** Takes off brackets, a port and a zone: `[fe80::1%eth0]:443` → `fe80::1`. Proxies write all of them. */
function stripDecoration(text: string): string {
  let bare = text.trim();
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(bare);
  if (bracketed !== null) bare = bracketed[1]!;
  else if (/^[\d.]+:\d+$/.test(bare)) bare = bare.slice(0, bare.indexOf(':'));
  const zone = bare.indexOf('%');
  return zone === -1 ? bare : bare.slice(0, zone);
}

/** The sixteen bytes of a valid IPv6 address, an embedded IPv4 tail included. */
function parseIpv6(text: string): Uint8Array {
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  let plain = text;
  if (tail.includes('.')) {
    const [a, b, c, d] = tail.split('.').map(Number) as [number, number, number, number];
    plain = `${text.slice(0, lastColon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', rest] = plain.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = rest === undefined || rest === '' ? [] : rest.split(':');
  const groups = [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    const value = Number.parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 0xff;
  });
  return bytes;
}

/** `::ffff:a.b.c.d` is the IPv4 address a.b.c.d, however it was written (CVE-2026-30827). */
function unmapped(bytes: Uint8Array): Uint8Array {
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes.slice(12) : bytes;
}

/**
 * The normalised form of an address: dotted IPv4, or eight lowercase hexadecimal groups. Any other text is unchanged.
 */
export function canonicalAddress(text: string): string {
  const bytes = parseAddress(text);
  return bytes === undefined ? text : formatAddress(bytes);
}

function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16));
  return groups.join(':');
}

/**
 * The address by which a client is counted: IPv4 whole, IPv6 cut to its first `prefix` bits. One subscriber owns at
 * least a /64 and commonly a /56, and can use any address in it.
 */
export function addressKey(text: string, prefix: number): string {
  const bytes = parseAddress(text);
  if (bytes === undefined) return text;
  if (bytes.length === 4) return formatAddress(bytes);
  return `${formatAddress(masked(bytes, prefix))}/${prefix}`;
}

function masked(bytes: Uint8Array, prefix: number): Uint8Array {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * i))) & 0xff);
}

/** Whether the address is this machine's own loopback (127.0.0.0/8, ::1). */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (isInLoopback ??= compileNetworks(['loopback']))(address);
}

/** Compiled by its first use: the regular expressions of an address take milliseconds of an import. */
let isInLoopback: ((address: string) => boolean) | undefined;

/**
 * Resolves a `trustProxy` option once.
 *
 * @throws TypeError for an invalid name, address or network
 */
export function compileTrust(trust: TrustProxy = false): TrustedHop {
  if (typeof trust === 'boolean') return () => trust;
  if (typeof trust === 'number') return (_address, distance) => distance < trust;
  const isMember = compileNetworks(typeof trust === 'string' ? trust.split(',') : trust);
  return (address) => isMember(address);
}

/**
 * The setting `trust proxy` of the request's Express application; undefined for other requests. Express compiles the
 * setting to a function of the same shape as `TrustedHop`.
 */
export function expressTrust(req: IncomingMessage): TrustedHop | undefined {
  const compiled = (req as { app?: { get?: (name: string) => unknown } }).app?.get?.('trust proxy fn');
  return typeof compiled === 'function' ? (compiled as TrustedHop) : undefined;
}

function compileNetworks(names: readonly string[]): (address: string) => boolean {
  const networks = names.flatMap((name) => NAMED_NETWORKS[name.trim()] ?? [name.trim()]).map(parseNetwork);
  return (address) => {
    const bytes = parseAddress(address);
    return bytes !== undefined && networks.some((network) => contains(network, bytes));
  };
}

interface Network {
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

function parseNetwork(text: string): Network {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const bytes = parseAddress(address);
  const bits = (bytes?.length ?? 0) * 8;
  const prefix = slash === -1 ? bits : prefixLength(text.slice(slash + 1), address, bits);
  if (bytes === undefined || Number.isNaN(prefix) || prefix > bits) {
    throw new TypeError(
      `trustProxy: expected an address, a network or 'loopback', 'linklocal', 'uniquelocal', got '${text}'`,
    );
  }
  return { bytes: masked(bytes, prefix), prefix };
}

/** Bits of a network's prefix; NaN unless they are plain digits, because '10.0.0.0/' must not mean all addresses. */
function prefixLength(digits: string, address: string, bits: number): number {
  if (!/^\d{1,3}$/.test(digits)) return Number.NaN;
  const isMapped = bits === 32 && address.includes(':'); // ::ffff:10.0.0.0/104 is 10.0.0.0/8
  const prefix = Number(digits) - (isMapped ? 96 : 0);
  return prefix < 0 ? Number.NaN : prefix;
}

function contains({ bytes, prefix }: Network, address: Uint8Array): boolean {
  if (address.length !== bytes.length) return false;
  return masked(address, prefix).every((byte, i) => byte === bytes[i]);
}

/**
 * The client's address in its one normalized spelling. `X-Forwarded-For` is read from the right, one hop at a time. The
 * first address that is not a trusted proxy is the client; entries further left are ignored.
 */
export function clientAddress(req: IncomingMessage, isTrusted: TrustedHop): string {
  const peer = req.socket?.remoteAddress ?? '';
  const header = req.headers['x-forwarded-for'];
  if (header === undefined || !isTrusted(peer, 0)) return canonicalAddress(peer);
  const hops = (Array.isArray(header) ? header.join(',') : header).split(',');
  let client = peer;
  for (let i = hops.length - 1, distance = 1; i >= 0; i--, distance++) {
    const hop = hops[i]!.trim();
    if (parseAddress(hop) === undefined) break; // garbage was not written by a trusted hop
    client = hop;
    if (!isTrusted(hop, distance)) break;
  }
  return canonicalAddress(client);
}
