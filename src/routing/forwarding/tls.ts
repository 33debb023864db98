/** The name with which an instance is requested over TLS, and the certificates that are trusted. */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Target } from '../target.js';
import type { TlsOptions } from './upstream-call.js';

export type TlsConnectOptions = Pick<
  ConnectionOptions,
  'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized' | 'ALPNProtocols'
>;

/**
 * The name that the certificate of an instance must have, regardless of its address. An IP address is not a valid
 * server name (RFC 6066 §3).
 */
export function serverNameOf(target: Target, tls: TlsOptions | undefined): string {
  const name = tls?.servername ?? target.serverName ?? target.host;
  return isIP(name) === 0 ? name : '';
}

export function tlsConnectOptions(target: Target, tls: TlsOptions | undefined): TlsConnectOptions {
  if (target.protocol === 'http') return {};
  return { ...tls, servername: serverNameOf(target, tls) };
}

export function connectEvent({ protocol }: Target): 'connect' | 'secureConnect' {
  return protocol === 'https' ? 'secureConnect' : 'connect';
}
