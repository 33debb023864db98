/**
 * Finds the route that serves a request. Express does not expose it afterwards: `req.route` stays set when a route
 * passes on. Its layers are therefore watched as they run. This costs one wrapped method per Express copy, and a
 * property lookup per layer of an untraced request. The diagnostics channel of Express ≥ 5.3 reports the same at
 * several times the cost per layer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NextFunction } from '../shared/http.js';
import { findServedRequest } from '../shared/request-over.js';
import { observeMounted } from './mounted-application.js';
import { noteEarly, type RouteState } from './route-state.js';
import type { Layer, RoutedRequest } from './route-template.js';

/** The routes of a request that is traced. */
function routesOf(req: IncomingMessage): RouteState | undefined {
  return (findServedRequest(req)?.observer as { readonly routes?: RouteState } | undefined)?.routes;
}

type HandleRequest = (this: Layer, req: RoutedRequest, res: ServerResponse, next: NextFunction) => unknown;

/** The name of the method in Express 5 comes first, that in Express 4 second. */
const METHODS = ['handleRequest', 'handle_request'] as const;
/** The name of the handler that `express.static` returns. */
const SERVES_FILES = 'serveStatic';
const WATCHED = Symbol.for('@tooloo/resilience:watched');

type LayerPrototype = { [name in (typeof METHODS)[number]]?: HandleRequest } & { [WATCHED]?: true };

interface ExpressApplication {
  /** Set on a router, which is not an application. */
  readonly stack?: readonly object[];
  readonly _router?: { readonly stack?: readonly object[] };
  readonly router?: { readonly stack?: readonly object[] };
}

/**
 * Makes the routes of an Express application or router observable, for all applications of the same copy of Express.
 * Safe to call again; a repeated call is cheap.
 *
 * @returns false if the application has no layer yet; call again later
 */
export function observeRoutes(application: object): boolean {
  const app = application as ExpressApplication;
  // Express 4 keeps `_router`, and its `router` throws; Express 5 has `router` only.
  const stack = app.stack ?? (app._router ?? routerOf(app))?.stack;
  const layer = stack?.[0];
  if (layer === undefined) return false;
  watch(Object.getPrototypeOf(layer) as LayerPrototype);
  return true;
}

function routerOf(app: ExpressApplication): ExpressApplication['router'] {
  try {
    return app.router;
  } catch {
    return undefined;
  }
}

function watch(prototype: LayerPrototype): void {
  if (prototype[WATCHED] === true) return;
  const method = METHODS.find((name) => typeof prototype[name] === 'function');
  const original = method === undefined ? undefined : prototype[method];
  if (method === undefined || original === undefined) return;
  prototype[WATCHED] = true;
  const watchedHandleRequest: HandleRequest = function (req, res, next) {
    if (this.route !== undefined) {
      const state = routesOf(req);
      if (state === undefined) return original.call(this, req, res, next);
      state.entered(this, req);
      return original.call(this, req, res, leaving(state, res, next));
    }
    // Layers inside a route carry a method, those of `use` do not.
    if (this.method !== undefined || Object.hasOwn(this, 'method')) return original.call(this, req, res, next);
    watchRouter(this.handle);
    observeMounted(this, req, observeRoutes);
    // `use` without a path changes nothing, unless what is used serves files.
    const isMounted = !isAtRoot(this) && req.baseUrl !== '';
    if (!isMounted && this.name !== SERVES_FILES) return original.call(this, req, res, next);
    const state = routesOf(req);
    if (state === undefined) {
      if (isMounted) noteEarly(req, this);
      return original.call(this, req, res, next);
    }
    const before = isMounted ? state.mounted(this, req) : state.filesEntered();
    return original.call(this, req, res, unmounting(state, before, res, next));
  };
  prototype[method] = watchedHandleRequest;
}

/** A router may come from another copy of Express, or of `router`, with its own layers. */
function watchRouter(handle: Layer['handle']): void {
  const layer = handle?.stack?.[0];
  if (layer !== undefined) watch(Object.getPrototypeOf(layer) as LayerPrototype);
}

/** A mounted router that calls `next` before it responds is not part of the route. */
function unmounting(
  state: RouteState,
  before: string | undefined,
  res: ServerResponse,
  next: NextFunction,
): NextFunction {
  return function leaveMount(error) {
    if (!res.headersSent && !isFailure(error)) state.unmounted(before);
    next(error);
  };
}

function isFailure(error: unknown): boolean {
  return error !== undefined && error !== null && error !== 'route' && error !== 'router';
}

function isAtRoot(layer: Layer): boolean {
  return layer.slash === true || layer.regexp?.fast_slash === true;
}

/**
 * A route that calls `next` without an error before it responds did not serve the request. A route that fails did, even
 * if an error handler responds.
 */
function leaving(state: RouteState, res: ServerResponse, next: NextFunction): NextFunction {
  return function leaveRoute(error) {
    if (isFailure(error)) state.error = error;
    else if (!res.headersSent) state.left();
    next(error);
  };
}
