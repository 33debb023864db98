/**
 * The route of a request that several services have seen, the gateway first. The gateway knows only a prefix,
 * `/api/v1/training/*path`. The service behind it knows the full route.
 *
 * @param routes routes, or operations such as `GET /api/v1/training/*path`
 */
export function deepestRoute(routes: readonly string[]): string | undefined {
  const [first] = routes;
  const star = first?.indexOf('*') ?? -1;
  if (first === undefined || star === -1) return first;
  const prefix = first.slice(0, star);
  return routes.find((route) => route.startsWith(prefix) && !route.includes('*')) ?? first;
}
