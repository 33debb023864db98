/** Follows one request through the routers, to the template of the route that serves it. */
import { viewOf } from '../shared/request-view.js';
import { mountTemplate, routeTemplate, type Layer, type RoutedRequest } from './route-template.js';

/** A router entered below a path: what it was mounted at, and what that path is in this request. */
interface Mount {
  readonly baseUrl: string;
  readonly template: string;
}

/** Of files served without a path: no path that a client sends becomes a label. */
const FILES = '/*';

/** An expression ends with a slash of its own. */
function joined(prefix: string, own: string): string {
  if (own === '/' && prefix !== '') return prefix;
  return prefix.endsWith('/') ? prefix + own.slice(1) : prefix + own;
}

/** The mount paths entered before a `trace` that is itself mounted began. */
const earlyMounts = new WeakMap<object, { readonly layer: Layer; readonly baseUrl: string }[]>();

/** Notes a mount path that an untraced request enters. */
export function noteEarly(req: RoutedRequest, layer: Layer): void {
  const noted = earlyMounts.get(req);
  const mount = { layer, baseUrl: req.baseUrl ?? '' };
  if (noted === undefined) earlyMounts.set(req, [mount]);
  else noted.push(mount);
}

/** Follows one request through the routers. */
export class RouteState {
  #route: string | undefined = undefined;
  #mounts: Mount[] | undefined = undefined;
  /** Template of the innermost mount that has the request. */
  #open: string | undefined = undefined;
  #named: string | undefined = undefined;
  /** The route that was entered last, whether or not it passed on. */
  #entered: object | undefined = undefined;
  /** What the route threw or passed to `next`. */
  error: unknown = undefined;

  /**
   * Template of the route that has the request, or answered it, or failed with it; else what `name` gave; else the path
   * of the handler that has it.
   */
  get template(): string | undefined {
    return this.#route ?? this.#named ?? this.#open;
  }

  /** Names the route where no router does: a proxied prefix, a cached answer. Below the mount that has the request. */
  name(template: string): void {
    const prefix = this.#open ?? '';
    // A cache gives the whole template of the route that made its answer.
    const isWhole = prefix === '' || template === prefix || template.startsWith(`${prefix}/`);
    this.#named = isWhole ? template : joined(prefix, template);
  }

  /**
   * A router or handler mounted at a path gets the request.
   *
   * @returns the mount that had it before, for `unmounted`
   */
  mounted(layer: Layer, req: RoutedRequest): string | undefined {
    const before = this.#open;
    const { baseUrl = '' } = req;
    const parent = this.#enclosing(baseUrl, false);
    const own = mountTemplate(layer, baseUrl.slice(parent?.baseUrl.length ?? 0), req);
    const template = joined(parent?.template ?? '', own);
    this.#addMount(baseUrl, template);
    return before;
  }

  /**
   * A middleware that serves files without a path gets the request.
   *
   * @returns the mount that had it before, for `unmounted`
   */
  filesEntered(): string | undefined {
    const before = this.#open;
    this.#open ??= FILES;
    return before;
  }

  /** Passed on by what was mounted. */
  unmounted(before: string | undefined): void {
    this.#open = before;
  }

  /** Begins inside a router that is mounted already: by what was noted of the request, else by its parameters. */
  beginBelow(req: RoutedRequest): void {
    const { baseUrl = '' } = req;
    if (baseUrl === '') return;
    for (const { layer, baseUrl: at } of earlyMounts.get(req) ?? []) this.mounted(layer, viewOf(req, { baseUrl: at }));
    if (this.#enclosing(baseUrl, true)?.baseUrl !== baseUrl) this.#addMount(baseUrl, mountTemplate({}, baseUrl, req));
  }

  /** The request is over. A route whose parameters were refused has it without having been entered. */
  settle(req: RoutedRequest): void {
    if (this.#route !== undefined) return;
    const { route, baseUrl = '' } = req as RoutedRequest & { readonly route?: Layer['route'] };
    if (route === undefined || route === this.#entered) return;
    const own = typeof route.path === 'string' ? route.path : undefined;
    if (own !== undefined) this.#route = baseUrl === '' ? own : this.#below(baseUrl, own);
  }

  #addMount(baseUrl: string, template: string): void {
    (this.#mounts ??= []).push({ baseUrl, template });
    this.#open = template;
  }

  entered(layer: Layer, req: RoutedRequest): void {
    const own = routeTemplate(layer, req);
    this.#entered = layer.route;
    // A property of a request is expensive to read under Express, so it is not read where it makes no difference.
    const baseUrl = this.#mounts === undefined ? '' : (req.baseUrl ?? '');
    this.#route = baseUrl === '' ? own : this.#below(baseUrl, own);
  }

  left(): void {
    this.#route = undefined;
  }

  #below(baseUrl: string, own: string): string {
    const mount = this.#enclosing(baseUrl, true);
    return joined(mount?.template ?? '', own);
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
