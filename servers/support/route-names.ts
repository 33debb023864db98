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
    const forward = forwards.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
    if (forward === undefined) return undefined;
    return path === forward.prefix ? forward.prefix : `${forward.prefix}/*path`;
  };
}

function fits(template: readonly string[], path: readonly string[]): boolean {
  return template.length === path.length && template.every((part, i) => part.startsWith(':') || part === path[i]);
}
