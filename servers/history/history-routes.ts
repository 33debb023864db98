/** `/api/v1/system/history` of each server: what the service did in a time range, and the events in it. */
import * as z from 'zod';
import { RouteTable } from '../support/route-table.js';
import type { ServiceName } from '../support/fleet.js';
import { aggregate, gridOf, type HistoryReading } from './aggregate.js';
import type { HistoryEvent } from './history-store.js';
import type { History } from './history.js';

export const rangeFields = {
  /** Epoch milliseconds; `to` is excluded. */
  from: z.coerce.number().int().min(0),
  to: z.coerce.number().int().min(0),
};

export const historyFields = {
  ...rangeFields,
  operation: z.string().max(300).optional(),
  instance: z.string().max(200).optional(),
};

const MOST_EVENTS = 500;

export interface HistoryAnswer extends HistoryReading {
  readonly service: ServiceName;
}

export interface EventsAnswer {
  readonly service: ServiceName;
  readonly events: readonly HistoryEvent[];
}

export interface HistoryRouteParts {
  readonly name: ServiceName;
  readonly history: History;
  readonly clock: { now(): number };
  readonly controlToken: string | undefined;
}

export function historyRoutes({ name, history, clock, controlToken }: HistoryRouteParts): RouteTable {
  return new RouteTable('/api/v1/system', controlToken)
    .get(
      '/history',
      {
        summary: 'What the service did in a time range, in at most 300 points',
        query: z.object(historyFields),
        control: true,
      },
      async ({ query: { from, to, operation, instance } }): Promise<HistoryAnswer> => {
        const grid = gridOf({ from, to }, clock.now());
        const store = await history.store();
        const reading = await aggregate(store.steps(grid.span, grid.from, grid.to), grid, { operation, instance });
        return { service: name, ...reading };
      },
    )
    .get(
      '/history/events',
      {
        summary: 'Scaling, restarts, purges and the like in a time range, newest first',
        query: z.object(rangeFields),
        control: true,
      },
      async ({ query: { from, to } }): Promise<EventsAnswer> => {
        const store = await history.store();
        return { service: name, events: await store.events(from, to, MOST_EVENTS) };
      },
    );
}
