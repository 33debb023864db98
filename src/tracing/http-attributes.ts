/**
 * The attributes of a server span that the HTTP semantic conventions require or recommend besides method, route and
 * status.
 */
import type { IncomingMessage } from 'node:http';
import { originalPath, originalTarget } from '../shared/http.js';
import type { AttributeValue } from '../shared/instrumentation.js';
import { readTarget } from '../shared/request-target.js';
import { shorten } from '../shared/user-value.js';

const REDACTED = 'REDACTED';
const MAX_PARAMETERS = 32;

/** The names of the parameters are kept. Their values are not, because they may be secrets or personal data. */
export function redactQuery(query: string): string {
  const parameters = query.split('&', MAX_PARAMETERS);
  return parameters.map((one) => (one.includes('=') ? `${one.slice(0, one.indexOf('='))}=${REDACTED}` : one)).join('&');
}

/** The attributes of a request, with their OpenTelemetry names. Texts from the client are limited in length. */
export function httpAttributes(req: IncomingMessage): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = { 'url.path': shorten(originalPath(req)) };
  const target = originalTarget(req);
  const query = target.indexOf('?');
  if (query !== -1 && query < target.length - 1)
    attributes['url.query'] = shorten(redactQuery(target.slice(query + 1)));
  const host = readHost(req);
  if (host?.name !== undefined && host.name !== '') attributes['server.address'] = shorten(host.name);
  if (host?.port !== undefined) attributes['server.port'] = host.port;
  const address = (req.socket as { readonly remoteAddress?: string } | undefined)?.remoteAddress;
  if (address !== undefined) attributes['client.address'] = address;
  const agent = req.headers['user-agent'];
  if (agent !== undefined) attributes['user_agent.original'] = shorten(agent);
  // HTTP/2 is '2' (semantic conventions, `network.protocol.version`).
  attributes['network.protocol.version'] = req.httpVersion === '2.0' ? '2' : req.httpVersion;
  return attributes;
}

function readHost(req: IncomingMessage): { readonly name: string; readonly port: number | undefined } | undefined {
  // A mock request in a test may have no raw fields.
  const target = (req.rawHeaders as unknown) === undefined ? 'an invalid target' : readTarget(req);
  if (typeof target === 'string') return undefined;
  const [, name = '', port] = /^(.*?)(?::(\d*))?$/.exec(target.host) ?? [];
  const number = Number(port);
  return {
    name: name.replace(/^\[|\]$/g, ''),
    port: port === undefined || port === '' || number > 65_535 ? undefined : number,
  };
}
