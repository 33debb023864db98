/** When a request releases its slot among the requests in flight. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ReleaseSlot } from '../rate-limiting/index.js';
import { startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { onRequestOver } from '../shared/request-over.js';

/** The event that ends a request's time in flight. */
export type ReleaseMode = 'response' | 'handler';

export interface SlotRules {
  readonly release: ReleaseMode;
  /** Milliseconds that a handler whose client has left may still hold its slot. */
  readonly abandonedTimeout: number;
  readonly clock: Clock;
}

/**
 * Releases the slot when the request is over. If the client leaves before the response begins, the handler still works.
 * With 'handler', it holds its slot until it ends the response or until `abandonedTimeout`, because many handlers never end
 * a response whose client has left. A handler that has begun to respond releases the slot at once.
 */
export function releaseAtEnd(req: IncomingMessage, res: ServerResponse, release: ReleaseSlot, rules: SlotRules): void {
  onRequestOver(req, res, (outcome) => {
    const isDone = outcome === 'finished' || rules.release === 'response' || res.writableEnded || res.headersSent;
    if (isDone) release();
    else releaseWithHandler(res, release, rules);
  });
}

/** Nothing is emitted when a handler ends a response whose connection is gone, so its methods are watched. */
function releaseWithHandler(res: ServerResponse, release: ReleaseSlot, rules: SlotRules): void {
  const timer = startTimer(rules.clock, release, rules.abandonedTimeout);
  const done = (): void => {
    timer.cancel();
    release();
  };
  const watched = res as unknown as Record<'end' | 'destroy', (...args: unknown[]) => unknown>;
  for (const method of ['end', 'destroy'] as const) {
    const original = watched[method].bind(res);
    const releasing = (...args: unknown[]): unknown => {
      done();
      return original(...args);
    };
    watched[method] = releasing;
  }
}

/** A signal that aborts when the client disconnects, and the function that stops watching. */
export function watchDeparture(req: IncomingMessage, res: ServerResponse): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const leave = (): void => controller.abort(new ResilienceError('CLIENT_CLOSED_REQUEST', 'the client disconnected'));
  return { signal: controller.signal, stop: onRequestOver(req, res, leave) };
}
