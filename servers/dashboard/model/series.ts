/** The timeline as columns of numbers, as charts draw them. */
import type { TrafficPoint } from '../../web/traffic-merge.js';
import { FleetHistory, growth, type FleetMark } from './history.js';

/** Epoch seconds, and one column a line; null where there is nothing to draw. */
export type Columns = [number[], ...(number | null)[][]];

/** Requests and errors a second. */
export function rateColumns(points: readonly TrafficPoint[], slotMs: number, service: string, route?: string): Columns {
  const seconds = slotMs / 1000;
  const told = points.map((point) => FleetHistory.figures(point, service, route));
  return [times(points, slotMs), told.map(({ count }) => count / seconds), told.map(({ errors }) => errors / seconds)];
}

/** Percentiles in milliseconds; nothing where nothing was served. */
export function latencyColumns(
  points: readonly TrafficPoint[],
  slotMs: number,
  service: string,
  route?: string,
): Columns {
  const told = points.map((point) => FleetHistory.figures(point, service, route));
  const column = (name: 'p50' | 'p95' | 'p99'): (number | null)[] =>
    told.map((figures) => (figures.count === 0 ? null : figures[name]));
  return [times(points, slotMs), column('p50'), column('p95'), column('p99')];
}

/** Instances that are ready, a line for each service named. */
export function instanceColumns(marks: readonly FleetMark[], services: readonly string[]): Columns {
  return [marks.map(({ at }) => at / 1000), ...services.map((name) => marks.map(({ ready }) => ready[name] ?? 0))];
}

/** One service's size over time: instances that are ready, that there should be, the load measured, the load expected. */
export function scalingColumns(marks: readonly FleetMark[], service: string): Columns {
  const told = marks.map(({ scaling }) => scaling[service]);
  return [
    marks.map(({ at }) => at / 1000),
    marks.map(({ ready }) => ready[service] ?? 0),
    told.map((one) => one?.desired ?? null),
    told.map((one) => one?.load ?? null),
    told.map((one) => one?.forecast ?? null),
  ];
}

/** Hit rate of each service's responses between two marks; nothing where nothing was looked up. */
export function hitRateColumns(marks: readonly FleetMark[], services: readonly string[]): Columns {
  const lines = services.map((name) =>
    marks.map(({ cache }, i) => {
      const before = marks[i - 1]?.cache[name];
      const lookups = growth(cache[name]?.lookups ?? 0, before?.lookups);
      return lookups === 0 ? null : (100 * growth(cache[name]?.hits ?? 0, before?.hits)) / lookups;
    }),
  );
  return [marks.map(({ at }) => at / 1000), ...lines];
}

/** Refusals a second of each service's limiter. */
export function refusalColumns(marks: readonly FleetMark[], services: readonly string[]): Columns {
  const lines = services.map((name) =>
    marks.map(({ at, limits }, i) => {
      const before = marks[i - 1];
      const seconds = (at - (before?.at ?? at)) / 1000;
      return seconds === 0 ? null : growth(limits[name]?.denied ?? 0, before?.limits[name]?.denied) / seconds;
    }),
  );
  return [marks.map(({ at }) => at / 1000), ...lines];
}

/** Requests that wait for tokens or for a slot, a line for each service. */
export function waitingColumns(marks: readonly FleetMark[], services: readonly string[]): Columns {
  return [
    marks.map(({ at }) => at / 1000),
    ...services.map((name) => marks.map(({ limits }) => limits[name]?.waiting ?? null)),
  ];
}

/** A limit on requests in flight over time: the limit, what is in flight, what waits. */
export function slotColumns(marks: readonly FleetMark[], name: string): Columns {
  const told = marks.map(({ slots }) => slots[name]);
  return [
    marks.map(({ at }) => at / 1000),
    told.map((one) => one?.limit ?? null),
    told.map((one) => one?.inFlight ?? null),
    told.map((one) => one?.waiting ?? null),
  ];
}

/** Where each slot begins, in epoch seconds. */
function times(points: readonly TrafficPoint[], slotMs: number): number[] {
  return points.map(({ slot }) => (slot * slotMs) / 1000);
}
