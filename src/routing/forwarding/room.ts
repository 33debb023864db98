/** Finds an instance that has room for a request. */
import type { Route } from '../route.js';
import type { Retriable } from './retry-rules.js';
import type { TriedInstances } from './tried-instances.js';

/**
 * The chosen route, or one to another instance if the queue of the chosen one is full. That is part of the choice and not
 * a retry, because none of the request was sent. It is made before an attempt exists: a refusal must cost less than an
 * answer.
 *
 * @returns undefined if there is no room at as many instances as a request may be sent to
 */
export function routeWithRoom(
  { core, prepared }: Retriable,
  tried: TriedInstances,
  chosen: Route | undefined,
): Route | undefined {
  let route = chosen;
  for (let looks = 1; route !== undefined && !core.hasRoom(route.target); looks++) {
    route.end();
    tried.add(route.instance);
    const isLast = looks >= core.retry.attempts || !core.hasAnother(prepared, tried);
    route = isLast ? undefined : core.nextRoute(prepared, tried.all());
  }
  return route;
}
