/** Whose bucket: from a request to a key that is short, canonical and gives no secret away. */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { addressKey, clientAddress, compileTrust, type TrustProxy } from '../shared/client-address.js';
import { checkValue, string } from '../shared/options.js';

/** A request's key. */
export type KeyFunction = (req: IncomingMessage) => string;

/** Longer keys are replaced by their hash, so that a client that chooses its key does not choose our memory. */
const LONGEST_KEY = 128;
const CACHED_ADDRESSES = 1024;

/** The key itself, or its SHA-256 where it is long. */
export function compactKey(key: string): string {
  return key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('base64url');
}

/**
 * The key of the client's address: IPv4 whole, IPv6 cut to `ipv6Prefix` bits.
 *
 * @throws TypeError for a `trustProxy` that names no address or network
 */
export function clientAddressKey(trustProxy: TrustProxy = false, ipv6Prefix = 56): KeyFunction {
  const isTrusted = compileTrust(trustProxy);
  const cached = boundedMemo((address: string) => addressKey(address, ipv6Prefix));
  if (trustProxy === false) return (req) => cached(req.socket.remoteAddress ?? '');
  return (req) => cached(clientAddress(req, isTrusted));
}

/**
 * The key of a header field that identifies a client, such as an API key: its HMAC, so that neither the store nor the
 * statistics hold the secret itself. Requests without the field are counted by `fallback`, the client's address.
 *
 * @param name field name, any case
 * @param options.secret key of the HMAC; processes that share a store need the same one
 */
export function headerKey(name: string, options: { secret: string; fallback?: KeyFunction }): KeyFunction {
  checkValue('headerKey: field name', name, string);
  checkValue("headerKey: option 'secret'", options.secret, string);
  const { secret, fallback = clientAddressKey() } = options;
  const field = name.toLowerCase();
  const digest = boundedMemo((value: string) => `h:${createHmac('sha256', secret).update(value).digest('base64url')}`);
  return (req) => {
    const value = req.headers[field];
    if (value === undefined) return fallback(req);
    return digest(Array.isArray(value) ? value.join(',') : value);
  };
}

/** Remembers the last answers, and forgets all of them rather than keeping score of which is the oldest. */
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
