/** The three tables of `top`: instances, calls and routes. */
import { bytes, count, duration, percent, rate } from '../dashboard/model/format.js';
import { stateOf } from '../dashboard/model/fleet-health.js';
import { markOf } from '../dashboard/model/state-sign.js';
import type { FrameInstance } from '../web/fleet-sampler.js';
import { printable, type Tone } from './line.js';
import type { CallTotal } from '../dashboard/model/calls.js';
import type { FleetSummary, RouteSummary, TrafficSummary } from './summary.js';

export const VIEWS = ['instances', 'calls', 'routes'] as const;

export type ViewName = (typeof VIEWS)[number];

export interface Column {
  readonly title: string;
  readonly isNumber: boolean;
  /** A narrow terminal leaves out the column with the highest rank first. Rank 0 stays. */
  readonly rank: number;
}

export interface Cell {
  readonly text: string;
  /** The column is sorted by this; null for an unknown figure, which is last in either direction. */
  readonly value: string | number | null;
  readonly tone?: Tone;
}

export interface Row {
  /** Identifies the row from frame to frame. */
  readonly key: string;
  readonly service: string;
  readonly cells: readonly Cell[];
}

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

const text = (title: string, rank = 0): Column => ({ title, rank, isNumber: false });
const number = (title: string, rank: number): Column => ({ title, rank, isNumber: true });

const INSTANCE_COLUMNS = [
  text('INSTANCE'),
  text('STATE', 1),
  number('REQUESTS', 2),
  number('ERRORS', 3),
  number('IN FLIGHT', 6),
  number('CPU', 4),
  number('LOOP', 8),
  number('MEMORY', 5),
  number('UP', 7),
  number('RESTARTS', 9),
  number('PID', 10),
  text('ADDRESS', 11),
];
const CALL_COLUMNS = [text('CALL'), number('RATE', 1), number('ERRORS', 2), number('P95', 3)];
const ROUTE_COLUMNS = [text('ROUTE'), text('SERVICE', 4), number('RATE', 1), number('ERRORS', 2), number('P95', 3)];

export function tableOf(view: ViewName, { instances, calls, routes }: FleetSummary): Table {
  switch (view) {
    case 'instances':
      return { columns: INSTANCE_COLUMNS, rows: instances.map(instanceRow) };
    case 'calls':
      return { columns: CALL_COLUMNS, rows: calls.map(callRow) };
    case 'routes':
      return { columns: ROUTE_COLUMNS, rows: routes.map(routeRow) };
  }
}

/** The worst state is the highest. */
const SEVERITY: Readonly<Record<string, number>> = { good: 0, plain: 1, warn: 2, bad: 3 };

function instanceRow(instance: FrameInstance): Row {
  const { id, service, figures, restarts, pid, host, port } = instance;
  const state = stateOf(instance);
  const { sign, tone } = markOf(state);
  return {
    key: id,
    service,
    cells: [
      textCell(id),
      { text: printable(`${sign} ${state}`), value: SEVERITY[tone]!, tone },
      figure(figures?.rate, rate),
      errorCell(figures?.errorRate),
      figure(figures?.inFlight, count),
      figure(figures?.cpu, percent),
      figure(figures?.loop, percent),
      figure(figures?.rss, bytes),
      figure(figures?.uptime, duration),
      { ...figure(restarts, count), tone: restarts > 0 ? 'warn' : 'plain' },
      figure(pid, String),
      textCell(`${host}:${port}`),
    ],
  };
}

function callRow({ from, to, ...traffic }: CallTotal): Row {
  const name = `${from} → ${to}`;
  return { key: name, service: to, cells: [textCell(name), ...trafficCells(traffic)] };
}

function routeRow({ service, route, ...traffic }: RouteSummary): Row {
  const cells = [textCell(route), textCell(service), ...trafficCells(traffic)];
  return { key: `${service} ${route}`, service, cells };
}

function trafficCells({ rate: perSecond, errorRate, p95 }: TrafficSummary): Cell[] {
  return [figure(perSecond, rate), errorCell(errorRate), figure(p95, duration)];
}

function textCell(name: string): Cell {
  return { text: printable(name), value: name };
}

function figure(value: number | null | undefined, format: (value: number) => string): Cell {
  if (value === null || value === undefined) return { text: '–', value: null, tone: 'muted' };
  return { text: format(value), value };
}

function errorCell(share: number | undefined): Cell {
  return { ...figure(share, percent), ...(share !== undefined && share > 0 && { tone: 'bad' as const }) };
}

export interface Sort {
  /** Index of the column. */
  readonly column: number;
  readonly isDescending: boolean;
}

const names = new Intl.Collator('en', { numeric: true });

/**
 * The rows that contain the filter's text, or with a `!` before it those that do not. Rows of equal value are in the
 * order of their keys, so that they do not change places from frame to frame.
 */
export function listed({ rows }: Table, filter: string, { column, isDescending }: Sort): Row[] {
  const isExcluding = filter.startsWith('!');
  const wanted = (isExcluding ? filter.slice(1) : filter).toLowerCase();
  const matches = ({ cells }: Row): boolean =>
    wanted === '' || cells.some((cell) => cell.text.toLowerCase().includes(wanted)) !== isExcluding;
  return rows.filter(matches).sort((a, b) => {
    const [one, other] = [a.cells[column]!.value, b.cells[column]!.value];
    return compare(one, other, isDescending) || names.compare(a.key, b.key);
  });
}

function compare(one: Cell['value'], other: Cell['value'], isDescending: boolean): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  const order =
    typeof one === 'number' && typeof other === 'number' ? one - other : names.compare(`${one}`, `${other}`);
  return isDescending ? -order : order;
}
