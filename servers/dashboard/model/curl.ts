/** Builds a curl command that repeats the request of a trace. */
import type { JoinedSpan } from '../../web/trace-search.js';
import { deepestRoute } from './deepest-route.js';

/** Quotes any text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The trace contains the route, but not the parameters that the client sent. The user fills them in. The command starts
 * a new sampled trace, so that the user can find it.
 *
 * @param origin scheme and host of the gateway
 * @param traceId 32 hexadecimal digits for the new trace
 */
export function curlOf(spans: readonly JoinedSpan[], origin: string, traceId: string): string {
  const requests = spans.filter(({ kind }) => kind === 'server');
  const method = String(requests[0]?.attributes['http.request.method'] ?? 'GET');
  const words = ['curl', '-i'];
  if (method !== 'GET') words.push('-X', shellWord(method));
  words.push('-H', shellWord(`traceparent: 00-${traceId}-${traceId.slice(0, 16)}-01`));
  if (/^(POST|PUT|PATCH)$/.test(method))
    words.push('-H', shellWord('Content-Type: application/json'), '-d', shellWord('{}'));
  words.push(shellWord(origin + routeOf(requests)));
  return words.join(' ');
}

/** The path to ask for: where only the route of the gateway is known, its prefix. */
function routeOf(requests: readonly JoinedSpan[]): string {
  const routes = requests.flatMap(({ attributes }) => {
    const route = attributes['http.route'];
    return typeof route === 'string' ? [route] : [];
  });
  return (deepestRoute(routes) ?? '/').split('*', 1)[0]!;
}
