/** Log lines with the ids of their trace, for the user's own loggers. */
import { currentTrace } from '../shared/instrumentation.js';

/**
 * The fields of a log line, with OpenTelemetry's names for other formats than its own ("Trace Context in non-OTLP Log
 * Formats").
 */
export interface TraceLogFields {
  /** 32 hexadecimal digits; absent outside of any trace. */
  readonly trace_id?: string;
  /** 16 hexadecimal digits. */
  readonly span_id?: string;
  /** `01` if the trace is sampled, otherwise `00`. */
  readonly trace_flags?: '00' | '01';
}

/**
 * A function that returns the fields of the current trace, or no fields outside of any trace: `pino({ mixin:
 * traceMixin() })`, or `winston.format((info) => Object.assign(info, mixin()))` with `const mixin = traceMixin()`.
 *
 * @example
 * import pino from 'pino';
 * import { traceMixin } from '@tooloo/resilience';
 *
 * const logger = pino({ mixin: traceMixin() });
 */
export function traceMixin(): () => TraceLogFields {
  return function traceFields() {
    const current = currentTrace();
    if (current === undefined) return {};
    // A new object each time, because pino adds to what it is given.
    return { trace_id: current.traceId, span_id: current.spanId, trace_flags: current.sampled ? '01' : '00' };
  };
}
