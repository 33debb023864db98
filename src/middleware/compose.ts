/**
 * Middleware and Express applications, one after the other, as a listener for `http.createServer`: what runs in front
 * of Express costs a function call here and a walk through a router there.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { asError, messageOf } from '../shared/errors.js';
import type { NextFunction } from '../shared/http.js';
import { errorCodeOf, problem, sendError, sendProblem } from '../shared/problem.js';
import { observeRoutes } from '../tracing/route-observer.js';

/** Middleware, sync or async, or a whole Express application or router. */
export type Handler = (req: IncomingMessage, res: ServerResponse, next: NextFunction) => unknown;

function checkHandler(handler: unknown, index: number): void {
  if (typeof handler === 'function') return;
  throw new TypeError(`compose: expected handler ${index + 1} to be a function, got ${typeof handler}`);
}

/** Express applications and routers: the tracer watches their layers to tell the route that answered. */
function isRouter(handler: Handler): boolean {
  return 'handle' in handler;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** The end of the line for an error nobody answered: the client gets a problem document, the operator a warning. */
function answerError(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (!res.writableEnded) sendError(req, res, error); // a complete answer stands, whatever failed after it
  if (errorCodeOf(error) !== 'INTERNAL') return;
  process.emitWarning(`compose: a ${req.method} request failed: ${messageOf(error)}`, {
    code: 'TOOLOO_REQUEST_FAILED',
    ...(error instanceof Error && error.stack !== undefined && { detail: error.stack }),
  });
}

function answerNotFound(req: IncomingMessage, res: ServerResponse): void {
  if (res.headersSent) return; // a handler answered and called `next` besides
  sendProblem(req, res, problem('NOT_FOUND'));
}

/**
 * Chains handlers: each answers, or calls `next()` for the one after it, or `next(error)` to fail. A throw or a
 * rejection is `next(error)`. A request that no handler answers is a 404, a failed one the error's own status or a 500,
 * both `application/problem+json`; what became a 500 is reported by `process.emitWarning` (TOOLOO_REQUEST_FAILED).
 *
 * ```ts
 * http.createServer(compose(trace({ serviceName: 'web' }), healthEndpoints(), rateLimit(), app)).listen(3000);
 * ```
 *
 * The server keeps Node's own bounds on slow clients: 60 s for the header section, 300 s for the whole request, 5 s of
 * idle keep-alive, 16 KiB of header. Set `headersTimeout`, `requestTimeout` and `keepAliveTimeout` on the server for
 * tighter ones.
 *
 * @throws TypeError for a handler that is no function
 */
export function compose(...handlers: readonly Handler[]): RequestListener {
  handlers.forEach(checkHandler);
  let unobserved = handlers.filter(isRouter);

  return function composed(req: IncomingMessage, res: ServerResponse): void {
    // On a request, not before: an application has no layer to watch until its routes are registered.
    if (unobserved.length > 0) unobserved = unobserved.filter((router) => !observeRoutes(router));
    run(0);

    // A closure a step, not one a request: a handler that calls its `next` twice must not run the rest twice.
    function run(index: number): void {
      const handler = handlers[index];
      if (handler === undefined) return answerNotFound(req, res);
      let called = false;
      const next: NextFunction = (error) => {
        if (called) return;
        called = true;
        if (error === undefined || error === null) run(index + 1);
        else answerError(req, res, error);
      };
      try {
        const result = handler(req, res, next);
        if (isThenable(result)) result.then(undefined, (error: unknown) => next(asError(error)));
      } catch (error) {
        next(asError(error));
      }
    }
  };
}
