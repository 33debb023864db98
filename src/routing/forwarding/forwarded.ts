/**
 * Describes the client to the upstream. The client's own claims are dropped. The fields of a trusted proxy are kept and
 * extended (RFC 7239 and the `X-Forwarded-*` convention).
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { canonicalAddress } from '../../shared/client-address.js';

const PSEUDONYM = 'tooloo';

/** The normalised address of the peer, computed once per connection and not per request. */
const peers = new WeakMap<Socket, string>();

function peerOf(socket: Socket): string {
  let peer = peers.get(socket);
  if (peer === undefined) peers.set(socket, (peer = canonicalAddress(socket.remoteAddress ?? 'unknown')));
  return peer;
}

/** Adds the fields that the proxy writes itself to the other fields of a request. */
export function addForwardedFields(fields: string[], req: IncomingMessage, isTrusted: boolean): void {
  const { headers, socket } = req;
  const peer = peerOf(socket);
  const protocol = (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http';
  const said = (name: string): string | undefined => (isTrusted ? joined(headers[name]) : undefined);

  const chain = said('x-forwarded-for');
  fields.push('X-Forwarded-For', chain === undefined ? peer : `${chain}, ${peer}`);
  const host = said('x-forwarded-host') ?? headers.host;
  if (host !== undefined) fields.push('X-Forwarded-Host', host);
  fields.push('X-Forwarded-Proto', said('x-forwarded-proto') ?? protocol);
  const port = said('x-forwarded-port') ?? portOf(headers.host, protocol);
  fields.push('X-Forwarded-Port', port);
  const prefix = (said('x-forwarded-prefix') ?? '') + mountPath(req);
  if (prefix !== '') fields.push('X-Forwarded-Prefix', prefix);
  const forwarded = said('forwarded');
  if (forwarded !== undefined) {
    fields.push('Forwarded', `${forwarded}, ${forwardedElement(peer, headers.host, protocol)}`);
  }
  const via = joined(headers.via); // RFC 9110 §7.6.3: a proxy adds itself; the proxies before it are not confidential
  fields.push('Via', `${via === undefined ? '' : `${via}, `}${req.httpVersion} ${PSEUDONYM}`);
}

/** The port of the client's request. It is part of the host unless it is the default port of the protocol. */
function portOf(host: string | undefined, protocol: 'http' | 'https'): string {
  const colon = host?.lastIndexOf(':') ?? -1;
  if (colon !== -1 && host!.charCodeAt(host!.length - 1) !== 0x5d /* ] */ && colon + 1 < host!.length) {
    return host!.slice(colon + 1);
  }
  return protocol === 'https' ? '443' : '80';
}

/** The path that Express has removed: an application behind the proxy needs it to write links. */
function mountPath(req: IncomingMessage): string {
  const { baseUrl } = req as { baseUrl?: unknown };
  return typeof baseUrl === 'string' ? baseUrl : '';
}

function joined(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}

/** RFC 7239 §4. An IPv6 address is in brackets and quoted, like every value with a colon (§6). */
function forwardedElement(peer: string, host: string | undefined, protocol: string): string {
  const node = peer.includes(':') ? `"[${peer}]"` : peer;
  const named = host === undefined ? '' : `;host="${host.replace(/["\\]/g, '\\$&')}"`;
  return `for=${node}${named};proto=${protocol}`;
}
