/** Structured logs: one JSON object a line, with the trace and span it belongs to, and nothing secret in it. */
import pino, { type DestinationStream, type Logger } from 'pino';
import { currentTrace } from '../../src/index.js';

export type { Logger };

const SECRETS = ['authorization', 'cookie', 'set-cookie', 'x-control-token', 'apiKey', 'password', 'token', 'secret'];

/** Paths pino blanks: a secret on the top level, in `headers`, and one level below anything else. */
const REDACTED = SECRETS.flatMap((name) => [
  `["${name}"]`,
  `headers["${name}"]`,
  `*["${name}"]`,
  `*.headers["${name}"]`,
]);

export interface LoggerOptions {
  readonly service: string;
  /** Which of several instances this is. */
  readonly instance?: string;
  readonly level: string;
  /** Where the lines go; standard output unless told. */
  readonly destination?: DestinationStream;
}

/** A logger of a service. Every line carries `service`, and `traceId` and `spanId` while a request is being served. */
export function createLogger({ service, instance, level, destination }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { service, ...(instance !== undefined && { instance }) },
      redact: { paths: REDACTED, censor: '[redacted]' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const trace = currentTrace();
        return trace === undefined ? {} : { traceId: trace.traceId, spanId: trace.spanId };
      },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
}
