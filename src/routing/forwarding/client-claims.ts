/**
 * Fields with which proxies describe the client to an application. An untrusted peer that sends one claims to be a
 * proxy. Such fields are dropped unless the peer is trusted or a middleware in front has set them.
 */
import type { IncomingMessage } from 'node:http';
import { cachedByName } from './name-cache.js';

const X_FIELDS =
  /^x-(?:forwarded(?:-.*)?|real-ip|client-.*|original-.*|rewrite-url|ssl-.*|cluster-client-ip|envoy-external-address|envoy-original-path|.*client-cert.*)$/;
const OTHERS =
  /^(?:forwarded|true-client-ip|cf-connecting-ip(?:v6)?|fastly-client-ip|client-ip|client-cert(?:-chain)?|ssl-client-.*|.*-client-cert(?:-.*)?)$/;

/**
 * Whether a field with this lowercase name describes the client. Servers that map `_` to `-` (CGI, WSGI) are
 * considered.
 */
export const isClientClaim = cachedByName((name) => {
  const spelled = name.includes('_') ? name.replaceAll('_', '-') : name;
  return spelled.charCodeAt(0) === 0x78 /* x */
    ? spelled.charCodeAt(1) === 0x2d && X_FIELDS.test(spelled)
    : mayClaim(spelled);
});

function mayClaim(name: string): boolean {
  switch (name.charCodeAt(0)) {
    case 0x63: // c
    case 0x66: // f
    case 0x73: // s
    case 0x74: // t
      return OTHERS.test(name);
    default:
      return name.endsWith('client-cert') || name.includes('-client-cert-');
  }
}

/**
 * Whether the client itself sent this field with its current value. A field that a middleware in front has added or
 * changed is a statement of that middleware. The client can neither remove nor forge it.
 */
export function cameFromClient({ rawHeaders }: IncomingMessage, name: string, value: string | string[]): boolean {
  const now = typeof value === 'string' ? value : value.join(', ');
  const sent: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length === name.length && rawHeaders[i]!.toLowerCase() === name) sent.push(rawHeaders[i + 1]!);
  }
  return sent.length > 0 && (sent.join(', ') === now || sent[0] === now || sent.join('; ') === now);
}
