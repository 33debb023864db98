/** Structured logs: one JSON object per line, with the trace id and span id, and with secrets redacted. */
import pino, { type DestinationStream, type Logger } from 'pino';
import { currentTrace } from '../../src/index.js';
import { withSourcePositions } from './source-positions.js';

export type { Logger };

const SECRETS = ['authorization', 'cookie', 'set-cookie', 'x-control-token', 'apiKey', 'password', 'token', 'secret'];

/** Paths that pino redacts: a secret at the top level, in `headers`, and one level below any other member. */
const REDACTED = SECRETS.flatMap((name) => [
  `["${name}"]`,
  `headers["${name}"]`,
  `*["${name}"]`,
  `*.headers["${name}"]`,
]);

export interface LoggerOptions {
  readonly service: string;
  /** Id of this instance among several. */
  readonly instance?: string;
  readonly level: string;
  /** Receives the lines. Default: standard output. */
  readonly destination?: DestinationStream;
}

/**
 * Creates the logger of a service. Each line has `service`. While a request is served, it has `traceId` and `spanId`.
 */
export function createLogger({ service, instance, level, destination }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { service, ...(instance !== undefined && { instance }) },
      redact: { paths: REDACTED, censor: '[redacted]' },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: describeError },
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const trace = currentTrace();
        return trace === undefined ? {} : { traceId: trace.traceId, spanId: trace.spanId };
      },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
}

/** An error as pino logs it, with the positions of the sources. Other values remain unchanged. */
function describeError(error: unknown): unknown {
  const described: unknown = pino.stdSerializers.err(error as Error);
  if (!(error instanceof Error)) return described;
  const { stack } = described as { stack?: unknown };
  return typeof stack === 'string' ? { ...(described as object), stack: withSourcePositions(stack) } : described;
}
