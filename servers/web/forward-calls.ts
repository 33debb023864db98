/** Counts the gateway's requests to each service, for the arrows of the control room's map. */
import type { Middleware } from '../../src/index.js';
import { isSystemRoute, type Pulse } from '../support/pulse.js';
import { pathOf } from '../support/request-path.js';
import { serviceOfPath } from './gateway.js';

/** Mount it just before the gateway. Responses from the cache do not reach it and do not count as calls. */
export function countForwards(pulse: Pick<Pulse, 'called'>): Middleware {
  return function forwardCalls(req, res, next) {
    const service = isSystemRoute(pathOf(req)) ? undefined : serviceOfPath(pathOf(req));
    if (service !== undefined) {
      const begun = performance.now();
      res.once('close', () => {
        pulse.called(service, performance.now() - begun, res.writableFinished && res.statusCode < 500);
      });
    }
    next();
  };
}
