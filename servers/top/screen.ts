/** The whole screen as lines, from the state and the figures: no terminal is involved. */
import { clockTime } from '../dashboard/model/format.js';
import { SEVERITY_SIGNS } from '../dashboard/model/fleet-health.js';
import { instanceLines, instanceTitle, type DetailAnswer } from './instance-lines.js';
import { line, printable, shortened, widthOf, type Line, type Segment } from './line.js';
import { problemTexts, type FleetSummary } from './summary.js';
import { tableLines } from './table-lines.js';
import { listed, tableOf, VIEWS, type Table } from './tables.js';
import { selectedIndex, visibleOffset, type Scene, type TopState } from './top-state.js';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Shown {
  readonly state: TopState;
  /** Undefined before the first frame. */
  readonly summary: FleetSummary | undefined;
  /** The reason why no frames arrive; undefined while they arrive. */
  readonly problem: string | undefined;
  readonly answer: DetailAnswer;
  readonly size: Size;
}

/** Two lines above the table, its titles, and one line below. */
const AROUND_LIST = 4;
/** The title and the headline above, and one line below. */
const AROUND_INSTANCE = 3;

const NO_TABLE: Table = { columns: [{ title: '', isNumber: false, rank: 0 }], rows: [] };

const HELP: ReadonlyArray<readonly [keys: string, meaning: string]> = [
  ['↑ ↓  j k', 'select a row'],
  ['PgUp PgDn  g G', 'move by a page, to the first row, to the last row'],
  ['1 2 3  Tab', 'instances, calls, routes; the next table'],
  ['Enter', "open the instance; of a call or a route, list the service's instances"],
  ['Esc', 'go back, or remove the filter'],
  ['/', 'filter: rows that contain the text; with ! before it, rows that do not'],
  ['s S', 'sort by the next column, by the column before'],
  ['r', 'reverse the order'],
  ['p  Space', 'pause, continue'],
  ['?', 'this help'],
  ['q  Ctrl-C', 'quit'],
];

const LIST_HINTS = ['Enter open', '/ filter', 's sort', 'r reverse', 'p pause', 'Tab next', '? help', 'q quit'];
const INSTANCE_HINTS = ['Esc back', '↑↓ scroll', '? help', 'q quit'];

/** Exactly as many lines as the terminal has rows, none wider than the terminal once painted. */
export function screen(shown: Shown): Line[] {
  const { state, size } = shown;
  const lines = state.mode.kind === 'instance' ? instanceScreen(shown, state.mode) : listScreen(shown);
  const [above, below] = [lines.slice(0, -1), lines.slice(-1)];
  const filled = Array.from({ length: Math.max(0, size.rows - 1) }, (_, i) => above[i] ?? line(''));
  return [...filled, ...below].slice(-size.rows);
}

/** The table, rows and sizes that keys act on in this state. */
export function sceneOf({ state, summary, answer, size }: Shown): Scene {
  const table = summary === undefined ? NO_TABLE : tableOf(state.view, summary);
  const rows = listed(table, state.filter, state.sort[state.view]);
  if (state.mode.kind !== 'instance') return { table, rows, page: pageOf(size, AROUND_LIST), lines: 0 };
  const { id } = state.mode;
  const instance = summary?.instances.find((one) => one.id === id);
  const lines = instanceLines(instance, answer, size.columns).length;
  return { table, rows, page: pageOf(size, AROUND_INSTANCE), lines };
}

function pageOf({ rows }: Size, around: number): number {
  return Math.max(1, rows - around);
}

function listScreen(shown: Shown): Line[] {
  const { state, size } = shown;
  if (state.mode.kind === 'help') return [headline(shown), line(''), ...helpLines(), hints(['any key: back'], size)];
  const { table, rows, page } = sceneOf(shown);
  const selected = selectedIndex(state.cursor, rows);
  const offset = visibleOffset(state.offset, selected, page, rows.length);
  const sort = state.sort[state.view];
  // Laid out with the rows that are not on the screen too, so that scrolling does not move the columns.
  const { title, rows: lines, leftOut } = tableLines({ ...table, rows }, size.columns, sort.column);
  const visible = lines.slice(offset, offset + page).map((one, i) => ({ ...one, isSelected: offset + i === selected }));
  const nothing = shown.summary === undefined ? 'Waiting for the first frame…' : nothingText(state);
  return [
    headline(shown),
    tabs(shown, rows.length),
    title,
    ...(rows.length === 0 ? [line(nothing, 'muted')] : visible),
    footer(shown, leftOut, position(offset, page, rows.length)),
  ];
}

function nothingText({ filter, view }: TopState): string {
  return filter === '' ? `There are no ${view} now.` : 'No row matches the filter.';
}

function instanceScreen(shown: Shown, { id, offset }: { id: string; offset: number }): Line[] {
  const { summary, answer, size } = shown;
  const instance = summary?.instances.find((one) => one.id === id);
  const lines = instanceLines(instance, answer, size.columns);
  const page = pageOf(size, AROUND_INSTANCE);
  const from = Math.max(0, Math.min(offset, lines.length - page));
  return [
    headline(shown),
    instanceTitle(id, instance),
    ...lines.slice(from, from + page),
    hints([...INSTANCE_HINTS, position(from, page, lines.length)], size),
  ];
}

/** The state of the fleet and, as far as there is room, the worst of it. */
function headline({ summary, problem, state, size }: Shown): Line {
  if (summary === undefined) return line(shortened(printable(`TooLoo  ${problem ?? ''}`.trimEnd()), size.columns));
  const { severity, ready, total } = summary.health;
  const segments: Segment[] = [
    { text: 'TooLoo', tone: 'strong' },
    { text: `  ${clockTime(summary.at)}  ` },
    { text: `${SEVERITY_SIGNS[severity]} ${ready} of ${total} ready`, tone: severity },
    ...(state.isPaused ? [{ text: '  paused', tone: 'warn' as const }] : []),
  ];
  const notes = [...(problem === undefined ? [] : [problem]), ...problemTexts(summary)];
  const room = size.columns - segments.reduce((sum, { text }) => sum + widthOf(text), 2);
  const note = shortened(printable(notes.join(', ')), Math.max(0, room));
  return { segments: note === '' ? segments : [...segments, { text: `  ${note}`, tone: severity }] };
}

function tabs({ state, summary }: Shown, listedCount: number): Line {
  return {
    segments: VIEWS.flatMap((view, i): Segment[] => {
      const isOpen = view === state.view;
      const count = isOpen && state.filter !== '' ? `${listedCount} of ` : '';
      const total = summary === undefined ? '' : ` (${count}${summary[view].length})`;
      const name = view[0]!.toUpperCase() + view.slice(1);
      return [{ text: `${i === 0 ? '' : '  '}${i + 1} ${name}${total}`, tone: isOpen ? 'strong' : 'muted' }];
    }),
  };
}

function position(offset: number, page: number, total: number): string {
  return total <= page ? '' : `${offset + 1}–${Math.min(offset + page, total)} of ${total}`;
}

function footer({ state, summary, size }: Shown, leftOut: readonly string[], where: string): Line {
  if (state.mode.kind === 'filter') return line(`/${printable(state.filter)}▏`, 'strong');
  const { column, isDescending } = state.sort[state.view];
  const by =
    summary === undefined ? '' : `${tableOf(state.view, summary).columns[column]!.title} ${isDescending ? '↓' : '↑'}`;
  const filter = state.filter === '' ? '' : `/${printable(state.filter)}`;
  const wider = leftOut.length === 0 ? '' : `widen for ${leftOut.join(', ')}`;
  return hints([where, filter, by, ...LIST_HINTS, wider], size);
}

/** As many of the hints as fit whole. */
function hints(all: readonly string[], { columns }: Size): Line {
  let text = '';
  for (const hint of all.filter((one) => one !== '')) {
    const longer = text === '' ? hint : `${text}  ${hint}`;
    if (widthOf(longer) <= columns) text = longer;
  }
  return line(text, 'muted');
}

function helpLines(): Line[] {
  return HELP.map(([keys, meaning]) => ({
    segments: [{ text: `  ${keys.padEnd(16)}`, tone: 'strong' as const }, { text: meaning }],
  }));
}
