/**
 * The registered path of an Express layer, `/api/:id/items`, never the path a client sent. Express 5.3 keeps the
 * registered path (`rawPath`). For earlier versions and Express 4, the mount path is derived from its expression and
 * its parameters.
 */
import type { IncomingMessage } from 'node:http';

/** The properties that Express adds to a request. */
export type RoutedRequest = IncomingMessage & {
  readonly app?: object;
  baseUrl?: string;
  params?: Readonly<Record<string, string | readonly string[]>>;
};

type Path = string | RegExp;

/** The properties read of a layer of Express 4 and 5. */
export interface Layer {
  readonly route?: { readonly path: Path | readonly Path[] };
  /** Express ≥ 5.3: the registered path. */
  readonly rawPath?: Path | readonly Path[];
  /** Express 5: one for each path registered. */
  readonly matchers?: readonly ((path: string) => unknown)[];
  readonly slash?: boolean;
  /** The name of the handler. */
  readonly name?: string;
  /** Set on a layer inside a route: its method, or undefined for `all`. */
  readonly method?: string | undefined;
  /** The handler; a router has a stack of layers. */
  readonly handle?: { readonly stack?: readonly object[] };
  /** Express 4: all paths registered, in one expression. */
  readonly regexp?: RegExp & { readonly fast_slash?: boolean };
  readonly keys?: readonly { readonly name: string | number }[];
  readonly params?: Readonly<Record<string, string>>;
}

/** The template of a route; if it has several paths, the one that matched. */
export function routeTemplate(layer: Layer, req: RoutedRequest): string {
  const path = layer.route!.path;
  return typeof path === 'string' ? path : String(choose(layer, path, () => pathOf(req)));
}

/** The template of a mount path, for which `concrete` is the value in this request. */
export function mountTemplate(layer: Layer, concrete: string, req: RoutedRequest): string {
  const { rawPath } = layer;
  const path = rawPath === undefined ? told(layer, concrete, req) : choose(layer, rawPath, () => concrete);
  if (typeof path !== 'string') return String(path);
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

function pathOf(req: RoutedRequest): string {
  const { url = '/' } = req;
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

function choose(layer: Layer, paths: Path | readonly Path[], concrete: () => string): Path {
  if (typeof paths === 'string' || paths instanceof RegExp) return paths;
  const members = paths.flat(Infinity) as Path[];
  const only = members.length === 1 ? members[0] : undefined;
  return only ?? matching(layer, members, concrete()) ?? members.join('|');
}

/**
 * The registered path that matched: determined by its own matcher (Express 5), or by the combined expression (Express
 * 4).
 */
function matching(layer: Layer, members: readonly Path[], concrete: string): Path | undefined {
  if (layer.matchers !== undefined) return members[layer.matchers.findIndex((match) => matches(match, concrete))];
  const template = layer.regexp === undefined ? undefined : fromExpression(layer.regexp, layer.keys ?? [], concrete);
  return members.find((member) =>
    typeof member === 'string' ? member.toLowerCase() === template?.toLowerCase() : member.test(concrete),
  );
}

/** A matcher throws on a parameter that cannot be decoded. */
function matches(match: (path: string) => unknown, path: string): boolean {
  try {
    return Boolean(match(path));
  } catch {
    return false;
  }
}

function told(layer: Layer, concrete: string, req: RoutedRequest): Path {
  const { regexp } = layer;
  if (regexp === undefined) return fromParameters(concrete, layer.params ?? req.params ?? {});
  if (!isGenerated(regexp)) return regexp;
  return fromExpression(regexp, layer.keys ?? [], concrete) ?? regexp;
}

/** The end of the expression of a mount path in Express 4. Any other end is the application's own. */
function isGenerated(regexp: RegExp): boolean {
  return regexp.source.endsWith('(?=\\/|$)');
}

/**
 * Replaces captured text by the name of its parameter. Literals match in any case, so they are converted to lower case.
 */
function fromExpression(regexp: RegExp, keys: NonNullable<Layer['keys']>, concrete: string): string | undefined {
  const match = new RegExp(regexp.source, `${regexp.flags.replace('d', '')}d`).exec(concrete);
  if (match?.indices === undefined) return undefined;
  const literal = (text: string): string => (regexp.ignoreCase ? text.toLowerCase() : text);
  let template = '';
  let end = 0;
  match.indices.slice(1).forEach((span, i) => {
    const name = keys[i]?.name;
    // Nested groups, and groups that did not match, have nothing to replace.
    if (span === undefined || name === undefined || span[0] < end) return;
    template += literal(concrete.slice(end, span[0])) + (typeof name === 'string' ? `:${name}` : '*');
    end = span[1];
  });
  return template + literal(concrete.slice(end, match.indices[0]![1]));
}

/** Express 5.0 … 5.2: a segment that is a parameter's value stands for the parameter, the last such segment first. */
function fromParameters(concrete: string, params: Readonly<Record<string, string | readonly string[]>>): string {
  const segments = concrete.toLowerCase().split('/');
  for (const [name, value] of Object.entries(params).reverse()) {
    if (typeof value !== 'string') return `${segments.slice(0, 1).join('/')}/*${name}`;
    const encoded = [value.toLowerCase(), encodeURIComponent(value).toLowerCase()];
    const at = segments.findLastIndex((segment) => encoded.includes(segment));
    if (at !== -1) segments[at] = `:${name}`;
  }
  return segments.join('/');
}
