/** The request of a trace as a command to send it again. */
import type { JoinedSpan } from '../../web/trace-search.js';

/** Text as one word of a POSIX shell, whatever is in it. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * What a trace kept of its request is the route, not what a client put into it: parameters stay to be filled in. The
 * command begins a trace of its own, sampled, so that it can be found.
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

/** The gateway knows a prefix only, `/api/v1/training/*path`: the service behind it has the rest of the route. */
function routeOf(requests: readonly JoinedSpan[]): string {
  const routes = requests.flatMap(({ attributes }) => {
    const route = attributes['http.route'];
    return typeof route === 'string' ? [route] : [];
  });
  const first = routes[0] ?? '/';
  const prefix = first.split('*', 1)[0] ?? first;
  if (prefix === first) return first;
  return routes.find((route) => route !== first && route.startsWith(prefix)) ?? prefix;
}
