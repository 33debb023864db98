/**
 * Which route has a request: Express tells nobody who asks afterwards (`req.route` stays set when a route passes on),
 * so its layers are watched as they run. One wrapped method per Express copy, a property lookup per layer where nothing
 * is traced. The diagnostics channel of Express ≥ 5.3 tells the same at several times the cost per layer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NextFunction } from '../shared/http.js';
import { traceOf } from './request-link.js';
import { mountTemplate, routeTemplate, type Layer } from './route-template.js';

/** A router entered below a path: what it was mounted at, and what that path is in this request. */
interface Mount {
  readonly baseUrl: string;
  readonly template: string;
}

/** Follows one request through the routers. */
export class RouteState {
  #route: string | undefined = undefined;
  #mounts: Mount[] | undefined = undefined;
  #named: string | undefined = undefined;
  /** What the route threw or passed to `next`. */
  error: unknown = undefined;

  /** Template of the route that has the request, or answered it, or failed with it; else what `name` gave. */
  get template(): string | undefined {
    return this.#route ?? this.#named;
  }

  /** Names the route where no router does: a proxied prefix, a cached answer. */
  name(template: string): void {
    this.#named = template;
  }

  /** A router or handler mounted at a path gets the request. */
  mounted(layer: Layer, req: RoutedRequest): void {
    const { baseUrl = '' } = req;
    const parent = this.#enclosing(baseUrl, false);
    const template = (parent?.template ?? '') + mountTemplate(layer, baseUrl.slice(parent?.baseUrl.length ?? 0), req);
    (this.#mounts ??= []).push({ baseUrl, template });
  }

  entered(layer: Layer, req: RoutedRequest): void {
    const { baseUrl } = req;
    const own = routeTemplate(layer, req);
    this.#route = baseUrl === undefined || baseUrl === '' ? own : this.#below(baseUrl, own);
  }

  left(): void {
    this.#route = undefined;
  }

  #below(baseUrl: string, own: string): string {
    const mount = this.#enclosing(baseUrl, true);
    const prefix = mount?.template ?? '';
    return own === '/' && prefix !== '' ? prefix : prefix + own;
  }

  /**
   * The mount a path lies in. Mounts are noted as they are entered and never taken back: the latest at a path is the
   * one that is open there.
   */
  #enclosing(baseUrl: string, itself: boolean): Mount | undefined {
    let best: Mount | undefined;
    for (const mount of this.#mounts ?? []) {
      const isInside = baseUrl.startsWith(`${mount.baseUrl}/`) || (itself && baseUrl === mount.baseUrl);
      if (isInside && (best === undefined || mount.baseUrl.length >= best.baseUrl.length)) best = mount;
    }
    return best;
  }
}

/** What Express adds to a request. */
export type RoutedRequest = IncomingMessage & {
  baseUrl?: string;
  params?: Readonly<Record<string, string | readonly string[]>>;
};

type HandleRequest = (this: Layer, req: RoutedRequest, res: ServerResponse, next: NextFunction) => unknown;

/** Express 5 calls it by the first name, Express 4 by the second. */
const METHODS = ['handleRequest', 'handle_request'] as const;
const WATCHED = Symbol.for('@tooloo/resilience:watched');

type LayerPrototype = { [name in (typeof METHODS)[number]]?: HandleRequest } & { [WATCHED]?: true };

interface ExpressApplication {
  /** Of a router that is none. */
  readonly stack?: readonly object[];
  readonly _router?: { readonly stack?: readonly object[] };
  readonly router?: { readonly stack?: readonly object[] };
}

/**
 * Lets the routes of an Express application or router be told, for all applications of the same copy of Express. Safe to call
 * again; cheap when done.
 *
 * @returns false when the application has no layer yet and has to be asked again later
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
  prototype[method] = function watchedHandleRequest(req, res, next) {
    if (this.route !== undefined) {
      const state = traceOf(req)?.routes;
      if (state === undefined) return original.call(this, req, res, next);
      state.entered(this, req);
      return original.call(this, req, res, leaving(state, res, next));
    }
    // Layers inside a route carry a method, those of `use` do not; `use` without a path changes nothing.
    if (!isAtRoot(this) && !Object.hasOwn(this, 'method') && req.baseUrl !== '')
      traceOf(req)?.routes.mounted(this, req);
    return original.call(this, req, res, next);
  };
}

function isAtRoot(layer: Layer): boolean {
  return layer.slash === true || layer.regexp?.fast_slash === true;
}

/** A route that passes on before it answers has not had the request; one that fails has, whoever writes the error page. */
function leaving(state: RouteState, res: ServerResponse, next: NextFunction): NextFunction {
  return function leaveRoute(error) {
    if (error !== undefined && error !== null && error !== 'route' && error !== 'router') state.error = error;
    else if (!res.headersSent) state.left();
    next(error);
  };
}
