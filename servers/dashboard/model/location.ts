/** Page addresses: `#/traces/4bf9…`, `#/traffic?service=training`. Each view has its own address. */

export const VIEWS = ['fleet', 'traffic', 'traces', 'logs', 'caches', 'limits', 'scaling', 'queries'] as const;

export type View = (typeof VIEWS)[number];

export interface Place {
  readonly view: View;
  /** The parts after the name of the view: the id of a trace or of an instance. */
  readonly parts: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

/** Parses a hash. Without a view name, it returns the fleet view. */
export function parsePlace(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [name = '', ...parts] = path.split('/').map(decoded);
  const view = VIEWS.find((one) => one === name) ?? 'fleet';
  return { view, parts: parts.filter((part) => part !== ''), query: Object.fromEntries(new URLSearchParams(search)) };
}

let kept: Readonly<Record<string, string>> = {};

/** From now on every address carries these parameters: the time range of all views. */
export function keepParameters(parameters: Readonly<Record<string, string>>): void {
  kept = parameters;
}

/** The hash of a place. Undefined and empty parameters are left out. */
export function hrefOf(
  view: View,
  parts: readonly string[] = [],
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...query, ...withoutGiven(query) }))
    if (value !== undefined && value !== '') search.set(name, String(value));
  const path = [view, ...parts].map(encodeURIComponent).join('/');
  return `#/${path}${search.size === 0 ? '' : `?${search.toString()}`}`;
}

/** The kept parameters that the address does not set itself. */
function withoutGiven(query: object): Record<string, string> {
  return Object.fromEntries(Object.entries(kept).filter(([name]) => !(name in query)));
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by hand
  }
}
