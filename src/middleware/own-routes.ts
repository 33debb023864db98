/**
 * Finds out whether an Express application has a route of its own for a path, so that a middleware does not answer in its
 * place. Routers are recognized by their layers, in Express 4 and 5 alike; nothing here imports Express.
 */
import type { IncomingMessage } from 'node:http';

/**
 * A layer of a router: a route, or middleware mounted at a path. The part of the path that `match` took is in what it
 * returns (Express 5.3 and later), or in `path` of the layer.
 */
export interface Layer {
  readonly handle?: unknown;
  readonly route?: { readonly methods: Readonly<Record<string, boolean | undefined>>; readonly path?: unknown };
  readonly path?: string;
  /** As it was mounted: in Express 5, and in Express 4. */
  readonly rawPath?: unknown;
  readonly slash?: boolean;
  readonly regexp?: { readonly source: string; readonly fast_slash?: boolean };
  match(path: string): boolean | { readonly path: string };
}

interface Application {
  readonly _router?: unknown;
  readonly router?: unknown;
  path?(): string;
}

/** Called by `compose` with the applications and routers that follow a handler of the chain. */
export const FOLLOWED_BY = Symbol.for('@tooloo/resilience:followed-by');

/** A path beside this one for which no application has a route, so that a layer that matches both is a catch-all. */
const nowhereBeside = (path: string): string => path.replace(/[^/]*$/, '.tooloo-no-such-path');

/** The layers of an application or router, in the order in which they are called; undefined for any other handler. */
export function stackOf(application: unknown): readonly Layer[] | undefined {
  const { _router, stack } = application as { _router?: { stack?: unknown }; stack?: unknown };
  if (Array.isArray(_router?.stack)) return _router.stack as Layer[]; // Express 4
  if (Array.isArray(stack)) return stack as Layer[]; // a router
  try {
    const { stack: layers } = (application as Application).router as { stack?: unknown }; // Express 5; a getter that throws in 4
    return Array.isArray(layers) ? (layers as Layer[]) : undefined;
  } catch {
    return undefined;
  }
}

/** The path that is left below a layer; undefined if the layer does not match. */
function remainder(layer: Layer, path: string | undefined): string | undefined {
  const match = path !== undefined && layer.match(path);
  if (path === undefined || match === false) return undefined;
  const { path: taken = '' } = typeof match === 'object' ? match : layer;
  const rest = path.slice(taken.length);
  return rest === '' ? '/' : rest;
}

/** A layer that handles the path without passing it to a router of its own. */
interface Leaf {
  readonly handle: unknown;
  readonly isRoute: boolean;
  readonly answers: boolean;
}

const answersGet = ({ methods }: NonNullable<Layer['route']>): boolean =>
  methods['get'] === true || methods['_all'] === true;

/**
 * The leaves for a path, in the order in which the application calls them.
 *
 * @param nowhere the path that only catch-alls match; undefined below a layer that does not match it
 */
function* leavesFor(stack: readonly Layer[], path: string, nowhere: string | undefined): Generator<Leaf> {
  for (const layer of stack) {
    const rest = remainder(layer, path);
    if (rest === undefined) continue;
    const restNowhere = remainder(layer, nowhere);
    const { handle, route } = layer;
    const inner = (handle as { stack?: unknown } | undefined)?.stack;
    if (route !== undefined) yield { handle, isRoute: true, answers: restNowhere === undefined && answersGet(route) };
    else if (Array.isArray(inner)) yield* leavesFor(inner as Layer[], rest, restNowhere);
    else yield { handle, isRoute: false, answers: restNowhere === undefined && rest === '/' };
  }
}

/**
 * Whether the application has a route for GET on exactly this path behind the middleware. A catch-all, such as `/:page` or
 * the fallback of a single-page application, does not count.
 *
 * @param self the middleware. Where it is not a layer itself, because it is wrapped, only routes count
 */
function hasRouteBehind(stack: readonly Layer[], path: string, self: unknown): boolean {
  const leaves = [...leavesFor(stack, path, nowhereBeside(path))];
  const own = leaves.findLastIndex(({ handle }) => handle === self);
  if (own >= 0) return leaves.slice(own + 1).some(({ answers }) => answers);
  return leaves.some(({ isRoute, answers }) => isRoute && answers);
}

/** The path of the place where a middleware is mounted, below its application; undefined if that is a pattern. */
function mountOf(application: Application, baseUrl: string): string | undefined {
  const above = application.path?.() ?? '';
  return baseUrl.startsWith(above) ? baseUrl.slice(above.length) : undefined;
}

type ExpressRequest = IncomingMessage & { readonly app?: Application; readonly baseUrl?: string };

/** Answers, for one middleware, whether the application behind it has a route of its own for a path. */
export class OwnRoutes {
  readonly #self: unknown;
  #following: readonly unknown[] = [];
  /** By application, mount and path; valid for as many layers as the application had. */
  readonly #known = new WeakMap<object, { readonly size: number; readonly paths: Map<string, boolean> }>();

  /** @param self the middleware, as it is mounted */
  constructor(self: unknown) {
    this.#self = self;
  }

  /** The applications behind the middleware in a `compose` chain, which Node's own requests do not name. */
  followedBy(applications: readonly unknown[]): void {
    this.#following = applications;
  }

  /** @param path below the path of the application */
  isIn(application: unknown, path: string): boolean {
    return this.#ask(application as object, path);
  }

  /** @param path as it is seen by the middleware, below the path it is mounted on */
  has(req: IncomingMessage, path: string): boolean {
    const { app, baseUrl = '' } = req as ExpressRequest;
    if (app === undefined) return this.#following.some((one) => this.isIn(one, path));
    const mount = mountOf(app, baseUrl);
    return mount !== undefined && this.#ask(app, mount + path);
  }

  #ask(application: object, path: string): boolean {
    const stack = stackOf(application);
    if (stack === undefined) return false;
    let known = this.#known.get(application);
    if (known === undefined || known.size !== stack.length) {
      known = { size: stack.length, paths: new Map() };
      this.#known.set(application, known);
    }
    const answer = known.paths.get(path) ?? hasRouteBehind(stack, path, this.#self);
    // The mount path may come from the client, as in `/:tenant`.
    if (known.paths.size < 100) known.paths.set(path, answer);
    return answer;
  }
}
