/** The source of each report section: the service, the route, and the numbers to follow over time. */
import * as z from 'zod';
import type { ServiceName } from '../support/fleet.js';

/** Numbers that are followed over time. */
export type Metrics = Readonly<Record<string, number>>;

export interface Source<S extends z.ZodType = z.ZodType> {
  readonly service: ServiceName;
  readonly path: string;
  readonly params?: Readonly<Record<string, string | number>>;
  /** The members that the report needs. Other members are passed on. */
  readonly schema: S;
  readonly metrics: (data: z.output<S>) => Readonly<Record<string, number | null>>;
}

function source<S extends z.ZodType>(given: Source<S>): Source<S> {
  return given;
}

const orNull = z.number().nullable();

export const SOURCES = {
  training: source({
    service: 'training',
    path: '/api/v1/training/overview',
    schema: z.looseObject({
      totals: z.looseObject({
        sessions: z.object({ total: z.number(), open: z.number() }),
        rounds: z.number(),
        meanScore: orNull,
        learners: z.number(),
        topics: z.number(),
      }),
      topics: z.array(
        z.looseObject({ topic: z.string(), learners: z.number(), mastered: z.number(), meanKnown: z.number() }),
      ),
    }),
    metrics: ({ totals, topics }) => ({
      rounds: totals.rounds,
      meanScore: totals.meanScore,
      openSessions: totals.sessions.open,
      learners: totals.learners,
      topics: totals.topics,
      mastered: topics.reduce((sum, { mastered }) => sum + mastered, 0),
    }),
  }),
  feedback: source({
    service: 'training',
    path: '/api/v1/feedback/summary',
    schema: z.looseObject({ summary: z.looseObject({ count: z.number(), meanRating: orNull }) }),
    metrics: ({ summary }) => ({ count: summary.count, meanRating: summary.meanRating }),
  }),
  learning: source({
    service: 'meta',
    path: '/api/v4/meta-learning/metrics',
    schema: z.looseObject({
      metrics: z.looseObject({
        overall: z.looseObject({ recentScore: orNull, velocity: orNull, halfLife: orNull }),
      }),
    }),
    metrics: ({ metrics: { overall } }) => ({ recentScore: overall.recentScore, velocity: overall.velocity }),
  }),
  coaching: source({
    service: 'coach',
    path: '/api/v1/auto-coach/status',
    params: { limit: 1 },
    schema: z.looseObject({
      totals: z.looseObject({ active: z.number(), opened: z.number(), answered: z.number(), lapsed: z.number() }),
    }),
    metrics: ({ totals }) => ({ active: totals.active, answered: totals.answered, lapsed: totals.lapsed }),
  }),
  segmentation: source({
    service: 'segmentation',
    path: '/api/v1/segmentation/status',
    schema: z.looseObject({ status: z.looseObject({ analyses: z.number(), meanDuration: orNull }) }),
    metrics: ({ status }) => ({ analyses: status.analyses, meanDuration: status.meanDuration }),
  }),
  budget: source({
    service: 'budget',
    path: '/api/v1/budget',
    schema: z.looseObject({
      limits: z.array(z.looseObject({ limit: z.string(), used: z.number(), amount: z.number(), share: z.number() })),
    }),
    metrics: ({ limits }) =>
      Object.fromEntries(
        limits.flatMap(({ limit, used, share }) => [
          [`${limit}.used`, used],
          [`${limit}.share`, share],
        ]),
      ),
  }),
  providers: source({
    service: 'budget',
    path: '/api/v1/providers/costs',
    schema: z.looseObject({ total: z.number() }),
    metrics: ({ total }) => ({ cost: total }),
  }),
  capabilities: source({
    service: 'capabilities',
    path: '/api/v1/capabilities/status',
    schema: z.looseObject({ status: z.looseObject({ known: z.number(), active: z.number(), reachable: z.number() }) }),
    metrics: ({ status }) => ({ known: status.known, active: status.active, servicesReachable: status.reachable }),
  }),
} as const;

export type SectionName = keyof typeof SOURCES;
export const SECTION_NAMES = Object.keys(SOURCES) as readonly SectionName[];
export type SectionData<K extends SectionName> = z.output<(typeof SOURCES)[K]['schema']>;

/** The request figures of a service, from `/api/v1/system/observability`. */
export const observability = z.looseObject({
  tracer: z.looseObject({
    totalRequests: z.number(),
    averageLatency: z.number(),
    p50: z.number(),
    p95: z.number(),
    p99: z.number(),
    errorRate: z.number(),
    throughput: z.number(),
  }),
});

export type Observability = z.output<typeof observability>;

/** Counters, which only increase. Their increase matters, not their value. */
const COUNTERS = /\.(rounds|count|answered|lapsed|analyses|cost|requests)$/;

/** Whether a metric is a counter. It only increases until its service restarts. */
export function isCounter(metric: string): boolean {
  return COUNTERS.test(metric);
}
