/** The fleet as lines of text: what the control room's first view shows, for a terminal. */
import { bytes, clockTime, duration, percent, rate } from '../dashboard/model/format.js';
import { recentCalls } from '../dashboard/model/fleet-map.js';
import type { FleetHistory } from '../dashboard/model/history.js';
import { routeTotals, type RouteTotal } from '../dashboard/model/route-totals.js';
import type { FrameInstance } from '../web/fleet-sampler.js';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Points behind the calls and routes: the last ten seconds. */
const RECENT = 5;

/** What an instance is in a sign: a terminal may have no colours. */
const SIGNS: Readonly<Record<string, string>> = { ready: '●', draining: '◐', starting: '◌', waiting: '◔', failed: '✕' };

type Cell = string | { readonly number: string };

/** At most as many lines as the terminal has, none longer than it is wide. */
export function picture(history: FleetHistory, { columns, rows }: Size): string[] {
  const { latest } = history;
  if (latest === undefined) return ['Waiting for the first frame…'];
  const points = history.points.slice(-RECENT);
  const seconds = (Math.max(1, points.length) * history.slotMs) / 1000;
  const ready = latest.instances.filter(({ state }) => state === 'ready').length;
  const services = Object.keys(Object.assign({}, ...points.map((point) => point.services)) as object);
  const routes = services
    .flatMap((service) => routeTotals(points, service).map((total) => ({ ...total, service })))
    .sort((a, b) => b.count - a.count);
  const lines = [
    `TooLoo  ${clockTime(latest.at)}  ${ready} of ${latest.instances.length} ready${latest.isOrchestrated ? '' : '  no orchestrator answers'}`,
    '',
    ...table(INSTANCE_TITLES, latest.instances.map(instanceCells)),
    '',
    ...table(
      CALL_TITLES,
      recentCalls(points).map(({ from, to, count, errors, p95 }) => [
        `${from} → ${to}`,
        { number: rate(count / seconds) },
        { number: percent(errors / count) },
        { number: duration(p95) },
      ]),
    ),
    '',
    ...table(
      ROUTE_TITLES,
      routes.map((total) => routeCells(total, seconds)),
    ),
  ];
  return lines.slice(0, rows).map((line) => line.slice(0, columns));
}

const INSTANCE_TITLES: readonly Cell[] = [
  'INSTANCE',
  'STATE',
  ...['REQUESTS', 'ERRORS', 'IN FLIGHT', 'CPU', 'LOOP', 'MEMORY', 'UP'].map((number) => ({ number })),
];
const CALL_TITLES: readonly Cell[] = ['CALL', { number: 'RATE' }, { number: 'ERRORS' }, { number: 'P95' }];
const ROUTE_TITLES: readonly Cell[] = ['ROUTE', 'SERVICE', { number: 'RATE' }, { number: 'ERRORS' }, { number: 'P95' }];

function instanceCells({ id, state, figures }: FrameInstance): Cell[] {
  const told = figures === null && state === 'ready' ? '? silent' : `${SIGNS[state] ?? '·'} ${state}`;
  const numbers = [
    rate(figures?.rate),
    percent(figures?.errorRate),
    figures === null ? '–' : String(figures.inFlight),
    percent(figures?.cpu),
    percent(figures?.loop),
    bytes(figures?.rss),
    duration(figures?.uptime),
  ];
  return [id, told, ...numbers.map((number) => ({ number }))];
}

function routeCells({ route, service, count, errors, p95 }: RouteTotal & { service: string }, seconds: number): Cell[] {
  const numbers = [rate(count / seconds), percent(errors / count), duration(p95)];
  return [route, service, ...numbers.map((number) => ({ number }))];
}

/** Columns as wide as their widest cell, numbers to the right. */
function table(titles: readonly Cell[], rows: ReadonlyArray<readonly Cell[]>): string[] {
  if (rows.length === 0) return [];
  const all = [titles, ...rows].map((cells) => cells.map(printable));
  const widths = titles.map((_, i) => Math.max(...all.map((cells) => cells[i]!.text.length)));
  return all.map((cells) =>
    cells
      .map(({ text, isNumber }, i) => (isNumber ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** Names come from whoever registers routes and instances: never a control character that the terminal would obey. */
function printable(cell: Cell): { readonly text: string; readonly isNumber: boolean } {
  const isNumber = typeof cell !== 'string';
  // eslint-disable-next-line no-control-regex -- control characters are what must not reach the terminal
  const text = (isNumber ? cell.number : cell).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  return { text, isNumber };
}
