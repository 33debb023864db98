/** The state of `top`, and how each key changes it. */
import { VIEWS, type Row, type Sort, type Table, type ViewName } from './tables.js';

export type Mode =
  | { readonly kind: 'list' }
  /** Typing a filter; Escape restores the one before. */
  | { readonly kind: 'filter'; readonly before: string }
  | { readonly kind: 'help' }
  | { readonly kind: 'instance'; readonly id: string; readonly offset: number };

/** The selected row. If it vanished, the row in its place is selected. */
export interface Cursor {
  readonly key: string | undefined;
  readonly index: number;
}

export interface TopState {
  readonly view: ViewName;
  readonly sort: Readonly<Record<ViewName, Sort>>;
  readonly filter: string;
  readonly cursor: Cursor;
  /** Index of the first row on the screen. */
  readonly offset: number;
  readonly mode: Mode;
  readonly isPaused: boolean;
}

/** The content of the screen when a key is pressed. */
export interface Scene {
  readonly table: Table;
  /** The rows of the table as listed: filtered and sorted. */
  readonly rows: readonly Row[];
  /** Rows that fit on the screen. */
  readonly page: number;
  /** Lines of the instance that is open. */
  readonly lines: number;
}

const BY_NAME: Sort = { column: 0, isDescending: false };
/** Both tables of traffic begin with the busiest. */
const CALLS_BY_RATE: Sort = { column: 1, isDescending: true };
const ROUTES_BY_RATE: Sort = { column: 2, isDescending: true };
const FIRST_ROW: Cursor = { key: undefined, index: 0 };
const LIST: Mode = { kind: 'list' };

export const INITIAL_STATE: TopState = {
  view: 'instances',
  sort: { instances: BY_NAME, calls: CALLS_BY_RATE, routes: ROUTES_BY_RATE },
  filter: '',
  cursor: FIRST_ROW,
  offset: 0,
  mode: LIST,
  isPaused: false,
};

export function selectedIndex({ key, index }: Cursor, rows: readonly Row[]): number {
  const found = rows.findIndex((row) => row.key === key);
  return found === -1 ? Math.max(0, Math.min(index, rows.length - 1)) : found;
}

/** The offset nearest to this one at which the selected row is on the screen and no row is missing below. */
export function visibleOffset(offset: number, selected: number, page: number, total: number): number {
  const reaching = Math.min(selected, Math.max(offset, selected - page + 1));
  return Math.max(0, Math.min(reaching, total - page));
}

/** The state after a key, or `quit`. A key without a meaning changes nothing. */
export function pressed(state: TopState, key: string, scene: Scene): TopState | 'quit' {
  if (key === 'ctrl-c') return 'quit';
  switch (state.mode.kind) {
    case 'filter':
      return pressedInFilter(state, state.mode.before, key, scene);
    case 'help':
      return key === 'q' ? 'quit' : { ...state, mode: LIST };
    case 'instance':
      return pressedInInstance(state, state.mode, key, scene);
    case 'list':
      return pressedInList(state, key, scene);
  }
}

function pressedInFilter(state: TopState, before: string, key: string, scene: Scene): TopState {
  if (key === 'return') return { ...state, mode: LIST };
  if (key === 'escape') return withFilter({ ...state, mode: LIST }, before);
  if (key === 'backspace') return withFilter(state, [...state.filter].slice(0, -1).join(''));
  if (key === 'ctrl-u') return withFilter(state, '');
  if ([...key].length === 1) return withFilter(state, state.filter + key);
  return movedBy(state, key, scene) ?? state;
}

function pressedInInstance(
  state: TopState,
  mode: Extract<Mode, { kind: 'instance' }>,
  key: string,
  { lines, page }: Scene,
): TopState | 'quit' {
  if (key === 'q') return 'quit';
  if (key === 'escape' || key === 'left' || key === 'backspace') return { ...state, mode: LIST };
  if (key === '?') return { ...state, mode: { kind: 'help' } };
  const target = destination(key, mode.offset, page, Math.max(1, lines - page + 1));
  return target === undefined ? state : { ...state, mode: { ...mode, offset: target } };
}

function pressedInList(state: TopState, key: string, scene: Scene): TopState | 'quit' {
  const at = VIEWS.indexOf(state.view);
  switch (key) {
    case 'q':
      return 'quit';
    case '?':
    case 'h':
      return { ...state, mode: { kind: 'help' } };
    case '/':
      return { ...state, mode: { kind: 'filter', before: state.filter } };
    case 'escape':
      return withFilter(state, '');
    case 'p':
    case ' ':
      return { ...state, isPaused: !state.isPaused };
    case 's':
    case 'S':
      return sortedBy(state, scene, key === 's' ? 1 : -1);
    case 'r':
      return reversed(state);
    case 'return':
      return opened(state, scene);
    case 'tab':
    case 'right':
      return inView(state, VIEWS[(at + 1) % VIEWS.length]!);
    case 'shift-tab':
    case 'left':
      return inView(state, VIEWS[(at + VIEWS.length - 1) % VIEWS.length]!);
    case '1':
    case '2':
    case '3':
      return inView(state, VIEWS[Number(key) - 1]!);
    default:
      return movedBy(state, key, scene) ?? state;
  }
}

function withFilter(state: TopState, filter: string): TopState {
  return filter === state.filter ? state : { ...state, filter, cursor: FIRST_ROW, offset: 0 };
}

function inView(state: TopState, view: ViewName): TopState {
  return view === state.view ? state : { ...state, view, filter: '', cursor: FIRST_ROW, offset: 0 };
}

/** The next column, in the direction that puts its most interesting rows first: high figures, or the first names. */
function sortedBy(state: TopState, { table: { columns, rows } }: Scene, step: number): TopState {
  const column = (state.sort[state.view].column + step + columns.length) % columns.length;
  const isDescending = rows.some(({ cells }) => typeof cells[column]!.value === 'number');
  return withSort(state, { column, isDescending });
}

function reversed(state: TopState): TopState {
  const { column, isDescending } = state.sort[state.view];
  return withSort(state, { column, isDescending: !isDescending });
}

function withSort(state: TopState, sort: Sort): TopState {
  return { ...state, sort: { ...state.sort, [state.view]: sort }, offset: 0 };
}

/** Opens the selected instance; of a call or a route, lists the instances that serve it. */
function opened(state: TopState, { rows }: Scene): TopState {
  const row = rows[selectedIndex(state.cursor, rows)];
  if (row === undefined) return state;
  if (state.view !== 'instances') return withFilter(inView(state, 'instances'), row.service);
  return { ...state, cursor: { ...state.cursor, key: row.key }, mode: { kind: 'instance', id: row.key, offset: 0 } };
}

function movedBy(state: TopState, key: string, { rows, page }: Scene): TopState | undefined {
  const index = destination(key, selectedIndex(state.cursor, rows), page, rows.length);
  if (index === undefined) return undefined;
  const offset = visibleOffset(state.offset, index, page, rows.length);
  return { ...state, cursor: { key: rows[index]?.key, index }, offset };
}

/** Where a key of movement leads from a position among `total`; undefined for any other key. */
function destination(key: string, from: number, page: number, total: number): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ...{ up: -1, k: -1, down: 1, j: 1, home: -Infinity, g: -Infinity, end: Infinity, G: Infinity },
    ...{ pageup: -page, 'ctrl-b': -page, 'ctrl-u': -Math.ceil(page / 2) },
    ...{ pagedown: page, 'ctrl-f': page, 'ctrl-d': Math.ceil(page / 2) },
  };
  const step = steps[key];
  return step === undefined ? undefined : Math.max(0, Math.min(from + step, total - 1));
}
