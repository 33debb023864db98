/**
 * The registered path of an Express layer, `/api/:id/items`, never the path a client sent. Express 5.3 keeps what was
 * registered (`rawPath`); before it, and in Express 4, a mount path is told from its expression and its parameters.
 */
import type { RoutedRequest } from './route-observer.js';

type Path = string | RegExp;

/** What is read of a layer of Express 4 and 5. */
export interface Layer {
  readonly route?: { readonly path: Path | readonly Path[] };
  /** Express ≥ 5.3: what was registered. */
  readonly rawPath?: Path | readonly Path[];
  /** Express 5: one for each path registered. */
  readonly matchers?: readonly ((path: string) => unknown)[];
  readonly slash?: boolean;
  /** Express 4: all paths registered, in one expression. */
  readonly regexp?: RegExp & { readonly fast_slash?: boolean };
  readonly keys?: readonly { readonly name: string | number }[];
  readonly params?: Readonly<Record<string, string>>;
}

/** The template of a route; of several paths the one that matched. */
export function routeTemplate(layer: Layer, req: RoutedRequest): string {
  const path = layer.route!.path;
  return typeof path === 'string' ? path : String(choose(layer, path, () => pathOf(req)));
}

/** The template of a mount path, of which `concrete` is what this request has there. */
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

/** Which of the registered paths matched: by its own matcher (Express 5), or by what the one expression tells (4). */
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

/** Express 4 ends the expression of a mount path so; another is the application's own. */
function isGenerated(regexp: RegExp): boolean {
  return regexp.source.endsWith('(?=\\/|$)');
}

/** What the expression captured, replaced by the name of what it captured. Literals match in any case: they are lowered. */
function fromExpression(regexp: RegExp, keys: NonNullable<Layer['keys']>, concrete: string): string | undefined {
  const match = new RegExp(regexp.source, `${regexp.flags.replace('d', '')}d`).exec(concrete);
  if (match?.indices === undefined) return undefined;
  const literal = (text: string): string => (regexp.ignoreCase ? text.toLowerCase() : text);
  let template = '';
  let end = 0;
  match.indices.slice(1).forEach((span, i) => {
    const name = keys[i]?.name;
    // Groups inside groups, and those that took no part, have nothing of their own to replace.
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
