/** Counts what the gateway asks of each service, for the arrows of the control room's map. */
import type { RequestHandler } from 'express';
import { isSystemRoute, type Pulse } from '../support/pulse.js';
import { serviceOfPath } from './gateway.js';

/** Mounted right before the gateway: what the cache answered never comes here, and is no call. */
export function countForwards(pulse: Pick<Pulse, 'isRecording' | 'called'>): RequestHandler {
  return function forwardCalls(req, res, next) {
    const service = pulse.isRecording && !isSystemRoute(req.path) ? serviceOfPath(req.url) : undefined;
    if (service !== undefined) {
      const begun = performance.now();
      res.once('close', () => {
        pulse.called(service, performance.now() - begun, res.writableFinished && res.statusCode < 500);
      });
    }
    next();
  };
}
