/** The history of the fleet for the pages: the readings of all services, joined and reduced to figures. */
import { gridOf, joinPoints, type Grid, type HistoryPoint, type Range, type Selection } from '../history/aggregate.js';
import type { EventsAnswer, HistoryAnswer } from '../history/history-routes.js';
import type { HistoryEvent } from '../history/history-store.js';
import { mergeTallies, newTallies, type Counts, type Levels } from '../history/step.js';
import { askInstance } from '../support/ask-instance.js';
import type { ServiceContext } from '../support/service.js';
import { isRunning, listInstances, type FleetInstance } from './fleet-instances.js';
import { figuresOf, type TrafficFigures } from './traffic-merge.js';

/** Figures of one service during one point of the grid. */
export interface ServicePoint extends Counts {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly instances: number;
  readonly traffic: TrafficFigures;
  readonly levels: Levels;
}

export interface ServiceHistory {
  readonly points: readonly ServicePoint[];
  /** By operation, over the whole range. */
  readonly operations: Readonly<Record<string, TrafficFigures>>;
}

export interface FleetHistoryAnswer {
  readonly grid: Grid;
  /** Epoch milliseconds of the web server. */
  readonly now: number;
  readonly services: Readonly<Record<string, ServiceHistory>>;
  /** Services whose history could not be read. */
  readonly silent: readonly string[];
}

/** Milliseconds. A week takes a service some time to read. */
const TIMEOUT = 10_000;

const MOST_EVENTS = 500;

type Parts = Pick<ServiceContext, 'peers' | 'controlToken' | 'workers' | 'clock'>;

export interface HistoryQuery extends Range, Selection {
  /** Only this service. */
  readonly service?: string | undefined;
}

export async function readHistory(parts: Parts, query: HistoryQuery): Promise<FleetHistoryAnswer> {
  const { from, to, service, operation, instance } = query;
  const asked = new URLSearchParams({ from: String(from), to: String(to) });
  if (operation !== undefined) asked.set('operation', operation);
  if (instance !== undefined) asked.set('instance', instance);
  const path = `/api/v1/system/history?${asked.toString()}`;
  const { answers, silent } = await askEachStore<HistoryAnswer>(parts, path, service);
  const services = Object.fromEntries([...answers].map(([name, told]) => [name, historyOf(told)]));
  const now = parts.clock.now();
  return { grid: gridOf({ from, to }, now), now, services, silent };
}

/** The events of all services, newest first. */
export async function readEvents(
  parts: Parts,
  { from, to }: Range,
): Promise<{ events: HistoryEvent[]; silent: readonly string[] }> {
  const path = `/api/v1/system/history/events?from=${from}&to=${to}`;
  const { answers, silent } = await askEachStore<EventsAnswer>(parts, path);
  const events = [...answers.values()].flat().flatMap((told) => told.events);
  return { events: events.sort((a, b) => b.at - a.at).slice(0, MOST_EVENTS), silent };
}

function historyOf(told: readonly HistoryAnswer[]): ServiceHistory {
  const operations = newTallies();
  for (const one of told) mergeTallies(operations, one.operations);
  return {
    points: joinPoints(told.map(({ points }) => points)).map(servicePoint),
    operations: Object.fromEntries(Object.entries(operations).map(([name, tally]) => [name, figuresOf(tally)])),
  };
}

function servicePoint({ at, instances, total, counts, levels }: HistoryPoint): ServicePoint {
  return { at, instances, traffic: figuresOf(total), levels, ...counts };
}

/**
 * Asks one instance per service and machine, because the instances of a service on one machine share their history. If
 * it does not answer, asks the next one.
 */
async function askEachStore<T>(
  parts: Parts,
  path: string,
  service?: string,
): Promise<{ answers: Map<string, T[]>; silent: string[] }> {
  const { instances } = await listInstances(parts);
  const stores = new Map<string, FleetInstance[]>();
  for (const one of instances.filter(isRunning)) {
    if (service !== undefined && one.service !== service) continue;
    const store = `${one.service} ${one.host}`;
    stores.set(store, [...(stores.get(store) ?? []), one]);
  }
  const answers = new Map<string, T[]>();
  const silent: string[] = [];
  await Promise.all(
    [...stores.values()].map(async (members) => {
      const { service: name } = members[0]!;
      const told = await firstAnswer<T>(members, path, parts);
      if (told === undefined) silent.push(name);
      else answers.set(name, [...(answers.get(name) ?? []), told]);
    }),
  );
  return { answers, silent };
}

async function firstAnswer<T>(members: readonly FleetInstance[], path: string, parts: Parts): Promise<T | undefined> {
  for (const member of members) {
    const told = await askInstance<T>(member, path, { ...parts, timeout: TIMEOUT }).catch(() => undefined);
    if (told !== undefined) return told;
  }
  return undefined;
}
