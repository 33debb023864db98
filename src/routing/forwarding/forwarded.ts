/**
 * Whom the request came from, told to the upstream. What a client claims about itself is dropped; what a trusted proxy
 * says is kept and continued (RFC 7239 and the `X-Forwarded-*` convention).
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { canonicalAddress, type TrustedHop } from '../../shared/client-address.js';

/** Fields only a trusted peer may set. */
export const FORWARDED_FIELDS: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-server',
  'x-real-ip',
  'via',
]);

const PSEUDONYM = 'tooloo';

/** The peer's address in its one spelling: worked out once a connection, not once a request. */
const peers = new WeakMap<Socket, string>();

function peerOf(socket: Socket): string {
  let peer = peers.get(socket);
  if (peer === undefined) peers.set(socket, (peer = canonicalAddress(socket.remoteAddress ?? 'unknown')));
  return peer;
}

/** Adds the fields to a request's, from which those in `FORWARDED_FIELDS` were left out. */
export function addForwardedFields(fields: string[], req: IncomingMessage, isTrusted: TrustedHop): void {
  const { headers, socket } = req;
  const peer = peerOf(socket);
  const protocol = (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http';
  const trusted = isTrusted(socket.remoteAddress ?? '', 0);
  const said = (name: string): string | undefined => (trusted ? joined(headers[name]) : undefined);

  const chain = said('x-forwarded-for');
  fields.push('X-Forwarded-For', chain === undefined ? peer : `${chain}, ${peer}`);
  const host = said('x-forwarded-host') ?? headers.host;
  if (host !== undefined) fields.push('X-Forwarded-Host', host);
  fields.push('X-Forwarded-Proto', said('x-forwarded-proto') ?? protocol);
  for (const name of ['X-Forwarded-Port', 'X-Forwarded-Prefix']) {
    const value = said(name.toLowerCase());
    if (value !== undefined) fields.push(name, value);
  }
  const forwarded = said('forwarded');
  if (forwarded !== undefined) {
    fields.push('Forwarded', `${forwarded}, ${forwardedElement(peer, headers.host, protocol)}`);
  }
  const via = joined(headers.via); // RFC 9110 §7.6.3: a proxy adds itself; who came before is nobody's secret
  fields.push('Via', `${via === undefined ? '' : `${via}, `}${req.httpVersion} ${PSEUDONYM}`);
}

function joined(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}

/** RFC 7239 §4; §6: IPv6 in brackets and quoted, as anything with a colon. */
function forwardedElement(peer: string, host: string | undefined, protocol: string): string {
  const node = peer.includes(':') ? `"[${peer}]"` : peer;
  const named = host === undefined ? '' : `;host="${host.replace(/["\\]/g, '\\$&')}"`;
  return `for=${node}${named};proto=${protocol}`;
}
