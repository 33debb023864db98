/** The options of a tracer, and what is asked of each. */
import type { Clock } from '../shared/clock.js';
import {
  anyOf,
  clock,
  count,
  func,
  having,
  number,
  object,
  oneOf,
  string,
  type OptionChecks,
} from '../shared/options.js';
import type { SpanExporter } from './exporter.js';
import type { Keep } from './keep.js';

/** What is sampled, kept and exported. */
export interface TracerOptions {
  /** Names the service in spans and metrics; 'service' by default. */
  serviceName?: string;
  /** Share of the traces begun here that are sampled, 0 … 1; 0.1 by default. A caller's decision is followed. */
  samplingRate?: number;
  /** Spans held in memory, over all kept traces; 10,000 by default. The oldest traces go first. */
  maxSpans?: number;
  /** How often traces left open are looked for, in milliseconds; 60,000 by default. */
  flushInterval?: number;
  /** Where the spans of kept traces go. Closed with the tracer. */
  exporter?: SpanExporter;
  /** What is kept although not sampled; errors and traces of a second and more by default. */
  keep?: Keep;
  /** Time in milliseconds; by default durations are monotonic and timestamps of the wall clock. */
  clock?: Clock;
}

/** The options the `trace` middleware hands on. */
export type SharedTracerOptions = Pick<TracerOptions, 'serviceName' | 'samplingRate' | 'exporter' | 'keep' | 'clock'>;

export const SHARED_CHECKS: OptionChecks<SharedTracerOptions> = {
  serviceName: string,
  samplingRate: number({ min: 0, max: 1 }),
  exporter: having('an exporter', 'export'),
  keep: anyOf(oneOf(false), func, object('an object { errors, slowerThan }')),
  clock,
};

export const TRACER_CHECKS: OptionChecks<TracerOptions> = {
  ...SHARED_CHECKS,
  maxSpans: count(),
  flushInterval: number({ min: 1 }),
};

export const TRACER_DEFAULTS = { serviceName: 'service', samplingRate: 0.1, maxSpans: 10_000, flushInterval: 60_000 };
