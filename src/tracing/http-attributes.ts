/**
 * The attributes of a server span that the HTTP semantic conventions require or recommend besides method, route and
 * status.
 */
import type { IncomingMessage } from 'node:http';
import { originalPath, originalTarget } from '../shared/http.js';
import type { AttributeValue } from '../shared/instrumentation.js';
import { readTarget, type RequestHead } from '../shared/request-target.js';
import { shorten } from '../shared/user-value.js';

const REDACTED = 'REDACTED';
const MAX_PARAMETERS = 32;

/** The names of the parameters are kept. Their values are not, because they may be secrets or personal data. */
export function redactQuery(query: string): string {
  const parameters = query.split('&', MAX_PARAMETERS);
  return parameters.map((one) => (one.includes('=') ? `${one.slice(0, one.indexOf('='))}=${REDACTED}` : one)).join('&');
}

/** The head of a request, each property of which is read once, because that is expensive under Express. */
function headOf(req: IncomingMessage, method: string): RequestHead {
  return {
    method,
    url: originalTarget(req),
    headers: req.headers,
    rawHeaders: req.rawHeaders,
    httpVersion: req.httpVersion,
  };
}

/** The attributes of a request, with their OpenTelemetry names. Texts from the client are limited in length. */
export function httpAttributes(req: IncomingMessage, method: string): Record<string, AttributeValue> {
  const head = headOf(req, method);
  const attributes: Record<string, AttributeValue> = { 'url.path': shorten(originalPath(head)) };
  const target = originalTarget(head);
  const query = target.indexOf('?');
  if (query !== -1 && query < target.length - 1)
    attributes['url.query'] = shorten(redactQuery(target.slice(query + 1)));
  const host = readHost(head);
  if (host?.name !== undefined && host.name !== '') attributes['server.address'] = shorten(host.name);
  if (host?.port !== undefined) attributes['server.port'] = host.port;
  const address = (req.socket as { readonly remoteAddress?: string } | undefined)?.remoteAddress;
  if (address !== undefined) attributes['client.address'] = address;
  const agent = head.headers['user-agent'];
  if (agent !== undefined) attributes['user_agent.original'] = shorten(agent);
  // HTTP/2 is '2' (semantic conventions, `network.protocol.version`).
  attributes['network.protocol.version'] = head.httpVersion === '2.0' ? '2' : head.httpVersion;
  return attributes;
}

function readHost(head: RequestHead): { readonly name: string; readonly port: number | undefined } | undefined {
  // A mock request in a test may have no raw fields.
  const target = (head.rawHeaders as unknown) === undefined ? 'an invalid target' : readTarget(head);
  if (typeof target === 'string') return undefined;
  const { host } = target;
  // By hand, because each kept request pays for it. The host is valid, so that what follows its last colon is a port.
  const colon = host.endsWith(']') ? -1 : host.lastIndexOf(':');
  const name = colon === -1 ? host : host.slice(0, colon);
  const port = colon === -1 ? 0 : Number(host.slice(colon + 1));
  return {
    name: name.startsWith('[') ? name.slice(1, -1) : name,
    port: port === 0 || port > 65_535 ? undefined : port,
  };
}
