/** Derives the key of a bucket from a request: short, canonical, and without secrets. */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import {
  addressKey,
  clientAddress,
  compileTrust,
  expressTrust,
  parseAddress,
  type TrustProxy,
} from '../shared/client-address.js';
import { checkValue, string } from '../shared/options.js';
import { warnOnce, type WarningsOption } from '../shared/warnings.js';
import { bucketId, type Charge, type Eventually } from './store.js';

/** The key of a client's address. */
export type AddressKey = (req: IncomingMessage) => string;

/**
 * Returns a request's key. `clientAddress` returns the key of the client's address, by the limiter's `trustProxy` and
 * `ipv6Prefix`: use it for requests without a better key.
 */
export type KeyFunction<Req extends IncomingMessage = IncomingMessage> = (
  req: Req,
  clientAddress: AddressKey,
) => Eventually<string>;

/** Longer keys are replaced by their hash, so that a client that chooses its key cannot fill the memory. */
const LONGEST_KEY = 128;
/** Bytes of a partition key: enough that two buckets of one client do not meet. */
const SHOWN_BYTES = 12;
const CACHED_ADDRESSES = 1024;
const DEFAULT_IPV6_PREFIX = 56;
/** How many of the first requests are checked for forwarding header fields that are not read. */
const LOOKED_AT = 1_000;

/** The key itself, or its SHA-256 where it is long. */
export function compactKey(key: string): string {
  return key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('base64url');
}

/** The limiter that warns about addresses, and which warnings it emits. */
export interface AddressWarnings {
  readonly place: string;
  readonly warnings?: WarningsOption | undefined;
}

/**
 * The key of the client's address: IPv4 whole, IPv6 cut to `ipv6Prefix` bits.
 *
 * @param trustProxy the proxies whose `X-Forwarded-For` is trusted. Default: Express's setting `trust proxy`; no proxy
 *   without Express
 * @param ipv6Prefix 1 to 128. Default 56
 * @throws TypeError for a `trustProxy` that names no address or network
 *
 * @example
 * import { clientAddressKey } from '@tooloo/resilience';
 *
 * const keyOf = clientAddressKey(1, 56); // behind one proxy; one key per IPv6 /56
 * app.get('/key', (req, res) => void res.send(keyOf(req)));
 */
export function clientAddressKey(
  trustProxy?: TrustProxy,
  ipv6Prefix = DEFAULT_IPV6_PREFIX,
  warns?: AddressWarnings,
): AddressKey {
  const fixed = trustProxy === undefined ? undefined : compileTrust(trustProxy);
  const cached = boundedMemo((address: string) => addressKey(address, ipv6Prefix));
  let looks = warns === undefined ? 0 : LOOKED_AT;
  return (req) => {
    if (looks > 0) {
      looks--;
      warnOfAddress(req, trustProxy, warns!);
    }
    // Without the field, the peer is the client. Without a proxy, this applies to nearly every request.
    if (trustProxy === false || req.headers['x-forwarded-for'] === undefined) {
      return cached(req.socket.remoteAddress ?? '');
    }
    const isTrusted = fixed ?? expressTrust(req);
    return cached(isTrusted === undefined ? (req.socket.remoteAddress ?? '') : clientAddress(req, isTrusted));
  };
}

function warnOfAddress(req: IncomingMessage, trustProxy: TrustProxy | undefined, warns: AddressWarnings): void {
  const { place, warnings } = warns;
  const trust = trustProxy ?? expressSetting(req);
  if (trust === true) {
    const message = 'every proxy is trusted, so clients choose their own address; give the number of your proxies';
    warnOnce('TOOLOO_LIMIT_TRUST_ALL', place, message, warnings);
  }
  const isForwarded = req.headers['x-forwarded-for'] !== undefined;
  const isUntrusted = trustProxy === undefined && !trust;
  if (isUntrusted && isForwarded) {
    const message = "'X-Forwarded-For' arrives but no proxy is trusted, so all its clients are one; set 'trustProxy'";
    warnOnce('TOOLOO_LIMIT_UNTRUSTED_FORWARDED', place, message, warnings);
  }
  if (!isForwarded && trustProxy !== false && req.headers['forwarded'] !== undefined) {
    const message = "'Forwarded' arrives but is not read; let the proxy write 'X-Forwarded-For'";
    warnOnce('TOOLOO_LIMIT_UNTRUSTED_FORWARDED', place, message, warnings);
  }
  if (req.socket.remoteAddress === undefined && !(trust && isForwarded)) {
    const message = "a request has no client address, so that such requests share one bucket; give a 'key'";
    warnOnce('TOOLOO_LIMIT_NO_ADDRESS', place, message, warnings);
  }
}

function expressSetting(req: IncomingMessage): unknown {
  return (req as { app?: { get?: (name: string) => unknown } }).app?.get?.('trust proxy');
}

/** Marks key functions that fall back to the client's address. */
const FALLS_BACK: unique symbol = Symbol('falls back to the address');

/**
 * The key of a header field that identifies a client, such as an API key: its HMAC, so that neither the store nor the
 * statistics hold the secret itself. Requests without the field are counted by `fallback`, the client's address.
 *
 * @param name field name, any case
 * @param options.secret key of the HMAC; processes that share a store need the same one
 * @param options.fallback default: the client's address, by the limiter's `trustProxy` and `ipv6Prefix`
 *
 * @example
 * import { headerKey, rateLimit } from '@tooloo/resilience';
 *
 * app.use(rateLimit({ key: headerKey('x-api-key', { secret: 'a long random secret' }) }));
 */
export function headerKey(
  name: string,
  options: { secret: string; fallback?: KeyFunction },
): (req: IncomingMessage, clientAddress?: AddressKey) => Eventually<string> {
  checkValue('headerKey: field name', name, string);
  checkValue("headerKey: option 'secret'", options.secret, string);
  const { secret, fallback } = options;
  const ownAddress = clientAddressKey();
  const field = name.toLowerCase();
  const digest = boundedMemo((value: string) => `h:${createHmac('sha256', secret).update(value).digest('base64url')}`);
  const key = (req: IncomingMessage, address: AddressKey = ownAddress): Eventually<string> => {
    const value = req.headers[field];
    if (value === undefined) return fallback === undefined ? address(req) : fallback(req, address);
    return digest(Array.isArray(value) ? value.join(',') : value);
  };
  return Object.assign(key, { [FALLS_BACK]: true });
}

/**
 * Shows clients which bucket they are counted in, as the HMAC of its policy and key. Requests counted in one bucket have one
 * partition key, and the key itself stays private.
 */
export function partitionKeys(secret: string): (charge: Charge) => string {
  const digest = boundedMemo((id: string) => {
    return createHmac('sha256', secret).update(id).digest().subarray(0, SHOWN_BYTES).toString('base64');
  });
  return (charge) => digest(bucketId(charge));
}

/** Whether keys of this function may be those of addresses: it is the default, `headerKey`, or takes `clientAddress`. */
export function mayBeAddress(key: KeyFunction | undefined): boolean {
  return key === undefined || FALLS_BACK in key || key.length > 1;
}

/**
 * Returns a function from an address in any notation to the key of its bucket: `::ffff:192.0.2.1` → `192.0.2.1`, `2001:DB8::1` or
 * `2001:db8::/56` → `2001:db8:0:0:0:0:0:0/56`. Anything else stays as it is.
 *
 * @throws RangeError for a network of another size than the limiter's
 */
export function addressIdentity(ipv6Prefix = DEFAULT_IPV6_PREFIX): (clientId: string) => string {
  return (clientId) => {
    const slash = clientId.lastIndexOf('/');
    const address = slash === -1 ? clientId : clientId.slice(0, slash);
    const bytes = parseAddress(address);
    if (bytes === undefined) return clientId;
    const whole = bytes.length === 4 ? 32 : ipv6Prefix;
    if (slash !== -1 && clientId.slice(slash + 1) !== String(whole)) {
      throw new RangeError(
        `rate limiter: '${clientId}' is a network, but each client is a /${whole}; give an address, or a function`,
      );
    }
    return addressKey(address, ipv6Prefix);
  };
}

/** Whether the text is a whole IPv6 address. One subscriber has 2⁶⁴ of them. */
export function isWholeIpv6(key: string): boolean {
  return key.includes(':') && isIP(key) === 6 && parseAddress(key)?.length === 16;
}

/** Remembers results. When it is full, it forgets all of them, which is cheaper than finding the oldest. */
function boundedMemo(compute: (input: string) => string): (input: string) => string {
  const known = new Map<string, string>();
  return (input) => {
    let output = known.get(input);
    if (output === undefined) {
      output = compute(input);
      if (known.size >= CACHED_ADDRESSES) known.clear();
      known.set(input, output);
    }
    return output;
  };
}
