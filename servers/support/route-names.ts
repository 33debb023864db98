/** The route of a request that no router has seen, because a limit rejected it before. */
import type { RouteEntry } from './route-table.js';
import type { Forward } from './system-routes.js';

/**
 * Returns a function that names the route of a path by the routes of the service, or by the prefix of the service that
 * it is forwarded to. The name is always registered text, never text of the client.
 */
export function routeNames(
  entries: readonly RouteEntry[],
  forwards: readonly Forward[],
): (method: string, path: string) => string | undefined {
  const routes = entries.map(({ method, path }) => ({ method, path, segments: path.split('/') }));
  return (method, path) => {
    const segments = path.split('/');
    const fitting = routes.filter((route) => fits(route.segments, segments));
    const own = fitting.find((route) => route.method === method) ?? fitting[0];
    if (own !== undefined) return own.path;
    const forward = forwardOf(path, forwards);
    return forward && forwardedRoute(path, forward);
  };
}

/** The service that a path belongs to. A prefix matches whole path segments. */
export function forwardOf(path: string, forwards: readonly Forward[]): Forward | undefined {
  return forwards.find(
    ({ prefix }) => path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/'),
  );
}

/** The route of a forwarded request, by which metrics and logs name it. */
export function forwardedRoute(path: string, { prefix }: Forward): string {
  return path === prefix ? prefix : `${prefix}/*path`;
}

function fits(template: readonly string[], path: readonly string[]): boolean {
  return template.length === path.length && template.every((part, i) => part.startsWith(':') || part === path[i]);
}
