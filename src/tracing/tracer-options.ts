/** The options of a tracer, and their checks. */
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
import type { NotableOptions } from './notable-traces.js';
import { samplingRateFrom, serviceNameFrom } from './otel-environment.js';

/** The options for sampling, keeping and exporting. */
export interface TracerOptions {
  /** The name of the service in spans and metrics; default `OTEL_SERVICE_NAME`, otherwise 'service'. */
  serviceName?: string;
  /**
   * Share of the traces begun here that are sampled, 0 … 1. Default: the value of `OTEL_TRACES_SAMPLER`, else 0.1. A
   * caller's decision is followed.
   */
  samplingRate?: number;
  /**
   * Most spans of sampled traces held in memory, and as many again of traces kept for their outcome. Default 10,000. The
   * oldest sampled traces are dropped first.
   */
  maxSpans?: number;
  /**
   * How many of the traces kept for their outcome are held, and how long: `{ traces, maxAge }`, maxAge in milliseconds.
   * Default `{ traces: 1000, maxAge: 900_000 }`. A burst of errors is thinned out, so that earlier ones stay.
   */
  notable?: NotableOptions;
  /** How often traces left open are looked for, in milliseconds; 60,000 by default. */
  flushInterval?: number;
  /** Exports the spans of kept traces. Closed with the tracer. */
  exporter?: SpanExporter;
  /**
   * Traces to keep although they are not sampled. Default: errors and traces of at least one second, the first 100 of each
   * second.
   */
  keep?: Keep;
  /** The clock, in milliseconds. By default durations are monotonic and timestamps are those of the wall clock. */
  clock?: Clock;
}

/** The options that the `trace` middleware passes on. */
export type SharedTracerOptions = Pick<TracerOptions, 'serviceName' | 'samplingRate' | 'exporter' | 'keep' | 'clock'>;

export const SHARED_CHECKS: OptionChecks<SharedTracerOptions> = {
  serviceName: string,
  samplingRate: number({ min: 0, max: 1 }),
  exporter: having('an exporter', 'export'),
  keep: anyOf(oneOf(false), func, object('an object { errors, slowerThan, maxPerSecond }')),
  clock,
};

export const TRACER_CHECKS: OptionChecks<TracerOptions> = {
  ...SHARED_CHECKS,
  maxSpans: count(),
  notable: object('an object { traces, maxAge }'),
  flushInterval: number({ min: 1 }),
};

const DEFAULTS = {
  serviceName: 'service',
  samplingRate: 0.1,
  maxSpans: 10_000,
  flushInterval: 60_000,
  notable: {} as NotableOptions,
};

/** The defaults of options that are not set, from OpenTelemetry's environment variables where they are defined. */
export function tracerDefaults(): typeof DEFAULTS {
  return {
    ...DEFAULTS,
    serviceName: serviceNameFrom() ?? DEFAULTS.serviceName,
    samplingRate: samplingRateFrom() ?? DEFAULTS.samplingRate,
  };
}
