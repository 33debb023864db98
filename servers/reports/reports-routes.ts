/** `/api/v1/reports`: reports over the data of the other services, and the changes over time. */
import type { Kysely } from 'kysely';
import * as z from 'zod';
import type { Clock } from '../../src/index.js';
import { textField } from '../support/fields.js';
import { newestFirst } from '../support/paging.js';
import { created, RouteTable } from '../support/route-table.js';
import { anomaliesIn, compareSpans, differences, metricNames, seriesOf, thinned, trendOf } from './analytics.js';
import { collectPerformance, collectSections, metricsOf, type AskEach, type Client } from './collect.js';
import type { Recorder } from './recorder.js';
import type { ReportsSchema } from './schema.js';
import { firstSince, getSnapshot, listSnapshots, snapshotsBetween } from './snapshot-store.js';
import { availability, costEfficiency } from './summaries.js';

const HOUR = 3_600_000;
const WEEK = 7 * 24 * HOUR;
const FOREVER = Number.MAX_SAFE_INTEGER;
/** A report sends a request to each service. Therefore all callers share one response for five seconds. */
const BRIEFLY = 'public, max-age=5, stale-while-revalidate=30';
const SPARKLINE_POINTS = 30;
const SHOWN_ANOMALIES = 50;

const time = z.coerce.number().int().min(0).max(FOREVER);
const span = z.coerce.number().int().min(60_000).max(WEEK);
const metricName = textField(100);
const threshold = z.coerce.number().min(1).max(100).default(3.5);

const deltaQuery = z
  .object({
    /** The ids of two snapshots, or the start of a period that ends now. */
    from: z.coerce.number().int().min(1).optional(),
    to: z.coerce.number().int().min(1).optional(),
    since: time.optional(),
  })
  .refine(({ from, since }) => from === undefined || since === undefined, {
    message: 'give either from or since',
    path: ['since'],
  });

const compareQuery = z.object({
  /** Length of both periods. The second one ends now; the first one ends where the second begins. */
  window: span.default(24 * HOUR),
  /** The start of the first period, if it is a different one. */
  from: time.optional(),
});

export interface ReportsParts {
  readonly db: Kysely<ReportsSchema>;
  readonly client: Client;
  readonly askEach: AskEach;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly controlToken: string | undefined;
}

/** The routes, using this database and the services that `client` calls. */
export function reportsRoutes({ db, client, askEach, recorder, clock, controlToken }: ReportsParts): RouteTable {
  const latest = (window: number) => snapshotsBetween(db, clock.now() - window, clock.now() + 1);
  const numbersNow = async () => {
    const [sections, performance] = await Promise.all([collectSections(client), collectPerformance(askEach)]);
    return { sections, performance, metrics: metricsOf(sections, performance) };
  };

  return new RouteTable('/api/v1/reports', controlToken)
    .get(
      '/comprehensive',
      { summary: 'Everything the services hold, in sections', cacheControl: BRIEFLY },
      async () => {
        const [{ sections, performance }, snapshots] = await Promise.all([numbersNow(), latest(24 * HOUR)]);
        const anomalies = anomaliesIn(snapshots, 3.5, 10);
        return { at: clock.now(), sections, performance, efficiency: costEfficiency(sections), anomalies };
      },
    )
    .get(
      '/performance',
      { summary: 'Requests, latencies and errors of each service', cacheControl: BRIEFLY },
      async () => ({ at: clock.now(), services: await collectPerformance(askEach) }),
    )
    .get(
      '/trends',
      {
        summary: 'Which numbers rise and fall',
        query: z.object({ metric: metricName.optional(), window: span.default(24 * HOUR) }),
        cacheControl: BRIEFLY,
      },
      async ({ query }) => {
        const snapshots = await latest(query.window);
        const names = metricNames(snapshots).filter((name) => query.metric === undefined || name === query.metric);
        return { snapshots: snapshots.length, trends: names.map((name) => trendOf(snapshots, name)) };
      },
    )
    .get('/dashboard', { summary: 'The fleet at a glance', cacheControl: BRIEFLY }, async () => {
      const [{ sections, performance, metrics }, snapshots] = await Promise.all([numbersNow(), latest(HOUR)]);
      const sparklines = Object.fromEntries(
        metricNames(snapshots).map((name) => [name, thinned(seriesOf(snapshots, name), SPARKLINE_POINTS)]),
      );
      return { at: clock.now(), sections: availability(sections), performance, metrics, sparklines };
    })
    .get(
      '/cost-efficiency',
      { summary: 'The spending compared with the learning progress', cacheControl: BRIEFLY },
      async () => {
        const sections = await collectSections(client, ['training', 'budget', 'providers']);
        return { at: clock.now(), efficiency: costEfficiency(sections), sections: availability(sections) };
      },
    )
    .get(
      '/delta',
      { summary: 'What changed since a moment, or between two snapshots', query: deltaQuery, cacheControl: BRIEFLY },
      async ({ query }) => {
        const before =
          query.from === undefined
            ? await firstSince(db, query.since ?? clock.now() - 24 * HOUR)
            : await getSnapshot(db, query.from);
        const after =
          query.to === undefined
            ? { id: null, at: clock.now(), metrics: (await numbersNow()).metrics }
            : await getSnapshot(db, query.to);
        return {
          from: before === undefined ? null : { id: before.id, at: before.at },
          to: { id: after.id, at: after.at },
          changes: differences(before?.metrics ?? {}, after.metrics),
        };
      },
    )
    .get(
      '/compare',
      { summary: 'Two spans of time, number by number', query: compareQuery, cacheControl: BRIEFLY },
      async ({ query: { window, from } }) => {
        const now = clock.now();
        const second = { from: now - window, to: now };
        const first = from === undefined ? { from: now - 2 * window, to: now - window } : { from, to: from + window };
        const [a, b] = await Promise.all([
          snapshotsBetween(db, first.from, first.to),
          snapshotsBetween(db, second.from, second.to + 1),
        ]);
        return {
          first: { ...first, snapshots: a.length },
          second: { ...second, snapshots: b.length },
          comparisons: compareSpans(a, b),
        };
      },
    )
    .get(
      '/anomalies',
      {
        summary: 'Values far from what is usual for them',
        query: z.object({ window: span.default(24 * HOUR), threshold }),
        cacheControl: BRIEFLY,
      },
      async ({ query }) => {
        const snapshots = await latest(query.window);
        return { snapshots: snapshots.length, anomalies: anomaliesIn(snapshots, query.threshold, SHOWN_ANOMALIES) };
      },
    )
    .get(
      '/snapshots',
      { summary: "The fleet's numbers over time, newest first", query: z.object(newestFirst) },
      ({ query }) => listSnapshots(db, query.before, query.limit),
    )
    .post('/snapshots', { summary: 'Take a snapshot now, not only every minute', control: true }, async () =>
      created({ snapshot: await recorder.record() }),
    );
}
