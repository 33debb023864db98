/** Addresses of the pages: `#/traces/4bf9…`, `#/traffic?service=training`. Everything one looks at has one. */

export const VIEWS = ['fleet', 'traffic', 'traces', 'caches', 'limits', 'scaling', 'queries'] as const;

export type View = (typeof VIEWS)[number];

export interface Place {
  readonly view: View;
  /** What follows the view's name: a trace's id, an instance's. */
  readonly parts: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

/** The place a hash names; the fleet where it names none. */
export function parsePlace(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [name = '', ...parts] = path.split('/').map(decoded);
  const view = VIEWS.find((one) => one === name) ?? 'fleet';
  return { view, parts: parts.filter((part) => part !== ''), query: Object.fromEntries(new URLSearchParams(search)) };
}

/** The hash of a place. Absent and empty parameters are left out. */
export function hrefOf(
  view: View,
  parts: readonly string[] = [],
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') search.set(name, String(value));
  const path = [view, ...parts].map(encodeURIComponent).join('/');
  return `#/${path}${search.size === 0 ? '' : `?${search.toString()}`}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by hand
  }
}
