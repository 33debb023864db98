/**
 * Middleware and Express applications, one after the other, as a listener for `http.createServer`. A middleware in
 * front of Express costs one function call here, and a walk through a router inside Express.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { asError } from '../shared/errors.js';
import { expressPreparation } from '../shared/express-shapes.js';
import type { NextFunction } from '../shared/http.js';
import { INSPECT, type Inspection } from '../shared/inspection.js';
import { runInContextOf } from '../shared/instrumentation.js';
import { checkOptions, oneOf } from '../shared/options.js';
import { problem, sendError, sendProblem } from '../shared/problem.js';
import { ENTERS_LATER, NEEDS_NO_CONTEXT } from '../shared/request-context.js';
import { warnOfFailedRequest } from '../shared/request-failure.js';
import { observeRoutes } from '../tracing/route-observer.js';
import { FOLLOWED_BY } from './own-routes.js';

interface Callable {
  call(req: IncomingMessage, res: ServerResponse, next: NextFunction): unknown;
}

/**
 * Middleware, sync or async, or a whole Express application or router. It is declared as a method because TypeScript
 * compares the parameters of methods both ways. Middleware for Express's own Request is therefore a handler too.
 */
export type Handler = Callable['call'];

/** The last application, which handles every request even without `next`. */
type FinalHandler = (req: IncomingMessage, res: ServerResponse, next?: NextFunction) => unknown;

/** The handling of requests that no handler answers. */
export interface ComposeOptions {
  /**
   * How errors and unmatched requests are answered.
   *
   * - `'application'` (the default): an Express or Connect application that is last in the chain answers its own,
   *   exactly as without `compose`.
   * - `'problem'`: all of them are answered with `application/problem+json`.
   */
  readonly errors?: 'application' | 'problem';
}

/** A listener for `http.createServer`. If it is called with `next`, as in Express, it passes unmatched requests on. */
export type ComposedListener = RequestListener & Handler;

const ERROR_HANDLER_PARAMETERS = 4;

function checkHandler(handler: unknown, index: number): void {
  const who = `compose: expected handler ${index + 1} to be a function`;
  if (typeof handler !== 'function') throw new TypeError(`${who}, got ${typeof handler}`);
  if (handler.length < ERROR_HANDLER_PARAMETERS) return;
  throw new TypeError(`${who} (req, res, next), got one of four parameters: error handlers belong in the application`);
}

/** Handlers are functions, so an object that comes last is the options. */
function separate(given: ReadonlyArray<Handler | ComposeOptions>): [readonly Handler[], ComposeOptions | undefined] {
  const last = given.at(-1);
  const hasOptions = typeof last === 'object' && last !== null;
  const handlers = (hasOptions ? given.slice(0, -1) : given) as readonly Handler[];
  handlers.forEach(checkHandler);
  return [handlers, hasOptions ? last : undefined];
}

/** Express applications and routers. The tracer watches their layers to determine the route of a response. */
function isRouter(handler: Handler): boolean {
  return 'handle' in handler;
}

/** A whole application of Express or Connect. Called without `next` it answers errors and unmatched requests itself. */
function isApplication(handler: Handler | undefined): boolean {
  const { handle, listen } = (handler ?? {}) as { handle?: unknown; listen?: unknown };
  return typeof handle === 'function' && typeof listen === 'function';
}

/** Lets a handler see the applications behind it, so that it does not answer in place of their routes. */
function tellWhatFollows(handlers: readonly Handler[]): void {
  handlers.forEach((handler, index) => {
    const { [FOLLOWED_BY]: tell } = handler as { [FOLLOWED_BY]?: (applications: readonly Handler[]) => void };
    tell?.(handlers.slice(index + 1).filter(isRouter));
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** Handles an error that no handler answered: the client gets a problem document, the operator a warning. */
function answerError(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  warnOfFailedRequest('compose', req, res, error);
  sendError(req, res, error);
}

function answerNotFound(req: IncomingMessage, res: ServerResponse): void {
  if (res.headersSent) return; // a handler sent a response and also called `next`
  sendProblem(req, res, problem('NOT_FOUND'));
}

interface MarkedHandler {
  readonly [NEEDS_NO_CONTEXT]?: boolean;
  readonly [ENTERS_LATER]?: Handler;
}

function needsNoContext(handler: Handler | undefined): boolean {
  return (handler as MarkedHandler | undefined)?.[NEEDS_NO_CONTEXT] === true;
}

/** The middleware that enters the async context, if those on both sides of it run without one; otherwise -1. */
function entrance(handlers: readonly Handler[]): number {
  const at = handlers.findIndex((handler) => (handler as MarkedHandler)[ENTERS_LATER] !== undefined);
  return needsNoContext(handlers[at + 1]) && handlers.slice(0, at).every(needsNoContext) ? at : -1;
}

/** The handlers, and what becomes of a request that none of them answers. */
class Chain {
  readonly handlers: readonly Handler[];
  /** By index: whether a handler is called in the async context of the request, which was not entered before. */
  readonly isEntered: readonly boolean[];
  /** Whether an outer chain, or the application at the end, answers errors and unmatched requests. */
  readonly passesOn: boolean;
  /** The handler that is called without a `next` of this chain; or -1. */
  readonly lastWord: number;

  constructor(handlers: readonly Handler[], passesOn: boolean) {
    const at = entrance(handlers);
    this.handlers = at === -1 ? handlers : handlers.with(at, (handlers[at] as MarkedHandler)[ENTERS_LATER]!);
    // The last one stands for what is behind the chain.
    this.isEntered = [...handlers, undefined].map(
      (handler, index) => at !== -1 && index > at && !needsNoContext(handler),
    );
    this.passesOn = passesOn;
    this.lastWord = passesOn && isApplication(handlers.at(-1)) ? handlers.length - 1 : -1;
  }
}

/** One request on its way through the chain. A class, because closures for it would take twice the memory. */
class Passage {
  readonly #chain: Chain;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #outer: NextFunction | undefined;
  /** The handler that has the request. */
  #reached = 0;

  constructor(chain: Chain, req: IncomingMessage, res: ServerResponse, outer: NextFunction | undefined) {
    this.#chain = chain;
    this.#req = req;
    this.#res = res;
    this.#outer = chain.passesOn ? outer : undefined;
  }

  run(index: number): void {
    this.#reached = index;
    const { handlers, isEntered } = this.#chain;
    const handler = handlers[index];
    if (handler === undefined) return this.#end();
    // One function per step, because a handler that calls its `next` twice must not run the rest twice.
    const next: NextFunction = (error) => {
      if (this.#reached === index) this.#proceed(error);
    };
    try {
      const result = isEntered[index]
        ? runInContextOf(this.#req, () => this.#call(handler, index, next))
        : this.#call(handler, index, next);
      if (isThenable(result)) result.then(undefined, (error: unknown) => next(asError(error)));
    } catch (error) {
      next(asError(error));
    }
  }

  #call(handler: Handler, index: number, next: NextFunction): unknown {
    if (index !== this.#chain.lastWord) return handler(this.#req, this.#res, next);
    // Without `next`, an application calls the final handler of its framework.
    return (handler as FinalHandler)(this.#req, this.#res, this.#outer);
  }

  #proceed(error: unknown): void {
    if (!error || error === 'route') return this.run(this.#reached + 1);
    this.#reached = this.#chain.handlers.length;
    this.#end(error === 'router' ? undefined : error);
  }

  #end(error?: unknown): void {
    if (this.#outer !== undefined) this.#leave(this.#outer, error);
    else if (error === undefined) answerNotFound(this.#req, this.#res);
    else answerError(this.#req, this.#res, error);
  }

  #leave(outer: NextFunction, error: unknown): void {
    if (this.#chain.isEntered.at(-1) === true) runInContextOf(this.#req, () => outer(error));
    else outer(error);
  }
}

/**
 * Chains handlers. Each handler answers, calls `next()` for the next handler, or calls `next(error)` to fail. A throw
 * or a rejection counts as `next(error)`. As in Express, `next('route')` continues and `next('router')` skips the
 * remaining handlers.
 *
 * An Express or Connect application that is last answers its own errors and unmatched requests, exactly as it does
 * without `compose`. Otherwise an unmatched request is a 404, and `sendError` answers a failed one, both as
 * `application/problem+json`. A failure of the server is reported by `process.emitWarning` (TOOLOO_REQUEST_FAILED).
 *
 * The server keeps Node's own bounds on slow clients: 60 s for the header section, 300 s for the whole request, 5 s of
 * idle keep-alive, 16 KiB of header. For tighter bounds, set `headersTimeout`, `requestTimeout` and `keepAliveTimeout`
 * on the server.
 *
 * @throws TypeError for a handler that is not a function of at most three parameters, and for an unknown option
 *
 * @example
 * import { createServer } from 'node:http';
 * import { cacheResponse, compose, healthEndpoints, rateLimit, trace } from '@tooloo/resilience';
 *
 * createServer(compose(trace(), healthEndpoints(), rateLimit(), cacheResponse(), app)).listen(3000);
 */
export function compose(...handlers: readonly Handler[]): ComposedListener;
/** Like the first form, with options as the last argument. */
export function compose(...handlersAndOptions: readonly [...Handler[], ComposeOptions]): ComposedListener;
export function compose(...given: ReadonlyArray<Handler | ComposeOptions>): ComposedListener {
  const [handlers, options] = separate(given);
  const { errors = 'application' } = checkOptions('compose', options, { errors: oneOf('application', 'problem') });
  const chain = new Chain(handlers, errors === 'application');
  const prepare = expressPreparation(handlers);
  let unobserved = handlers.filter(isRouter);
  tellWhatFollows(handlers);

  return Object.assign(composed, { [INSPECT]: (): Inspection => ({ kind: 'compose', handlers }) });

  function composed(req: IncomingMessage, res: ServerResponse, outer?: NextFunction): void {
    // On a request, not before: an application has no layer to watch until its routes are registered.
    if (unobserved.length > 0) unobserved = unobserved.filter((router) => !observeRoutes(router));
    prepare?.(req, res);
    new Passage(chain, req, res, outer).run(0);
  }
}
