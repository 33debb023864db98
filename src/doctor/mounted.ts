/** The handlers of an application in the order in which a request passes them, those inside routers and chains included. */
import { inspect, type Inspection } from '../shared/inspection.js';
import { stackOf, type Layer } from '../middleware/own-routes.js';

/** A handler, and where it is mounted. */
export interface Mounted {
  readonly name: string;
  /** The mount path, as far as the layers tell it: '' for the whole application. */
  readonly path: string;
  readonly isRoute: boolean;
  /** Of this package: its description. */
  readonly inspection: Inspection | undefined;
  readonly handler: unknown;
}

const MOST_DEPTH = 20;

/** The path a layer was mounted with. Express 4 keeps only an expression, which is read back where it is a plain path. */
function pathOf({ rawPath, regexp, route, slash }: Layer): string {
  const given = route?.path ?? rawPath;
  if (typeof given === 'string') return given === '/' && route === undefined ? '' : given;
  if (slash === true || regexp?.fast_slash === true) return '';
  const plain = /^\^((?:\\\/[\w-]+)+)\\\/\?/.exec(regexp?.source ?? '')?.[1];
  return plain?.replaceAll('\\', '') ?? (given instanceof RegExp ? given.source : (regexp?.source ?? '?'));
}

function* handlersOf(handler: unknown, path: string, isRoute: boolean, depth: number): Generator<Mounted> {
  const { name = '' } = handler as { name?: string };
  const inspection = inspect(handler);
  if (inspection?.kind === 'compose' && depth < MOST_DEPTH) {
    for (const inner of inspection.handlers) yield* handlersOf(inner, path, isRoute, depth + 1);
    return;
  }
  const stack = stackOf(handler);
  if (stack === undefined || depth >= MOST_DEPTH) yield { name, path, isRoute, inspection, handler };
  else yield* layersOf(stack, path, depth + 1);
}

function* layersOf(stack: readonly Layer[], above: string, depth: number): Generator<Mounted> {
  for (const layer of stack) {
    const path = above + pathOf(layer);
    if (layer.route === undefined) yield* handlersOf(layer.handle, path, false, depth);
    else yield { name: 'route', path, isRoute: true, inspection: undefined, handler: layer.handle };
  }
}

/** @param application an Express application, a router, or a listener that `compose` made */
export function mountedIn(application: unknown): readonly Mounted[] {
  return [...handlersOf(application, '', false, 0)];
}

/** Whether a handler mounted at the first path also gets the requests of the second. */
export function covers(first: string, second: string): boolean {
  return first === '' || first === second || second.startsWith(`${first}/`);
}
