/** Structured logs: one JSON object per line, with the trace id and span id, and with secrets redacted. */
import pino, { type DestinationStream, type Logger } from 'pino';
import { currentTrace } from '../../src/index.js';
import type { LogSource, LogTail } from './log-tail.js';
import { CENSOR, SECRET_NAMES } from './secret-text.js';
import { withSourcePositions } from './source-positions.js';

export type { Logger };

/** Paths that pino redacts: a secret at the top level, in `headers`, and one level below any other member. */
const REDACTED = SECRET_NAMES.flatMap((name) => [
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
  /** Stores the latest lines too. */
  readonly tail?: LogTail;
}

/**
 * Creates the logger of a service. Each line has `service`. While a request is served, it has `traceId` and `spanId`.
 */
export function createLogger({ service, instance, level, destination, tail }: LoggerOptions): Logger {
  const output = destination ?? pino.destination({ fd: 1, sync: true });
  return pino(
    {
      level,
      base: { service, ...(instance !== undefined && { instance }) },
      redact: { paths: REDACTED, censor: CENSOR },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: describeError },
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const trace = currentTrace();
        return trace === undefined ? {} : { traceId: trace.traceId, spanId: trace.spanId };
      },
    },
    tail === undefined ? output : both(output, tail, { service, instance: instance ?? service }),
  );
}

function both(output: DestinationStream, tail: LogTail, source: LogSource): DestinationStream {
  return {
    write(line) {
      output.write(line);
      tail.add(line.trimEnd(), source);
    },
  };
}

/** An error as pino logs it, with the positions of the sources. Other values remain unchanged. */
function describeError(error: unknown): unknown {
  const described: unknown = pino.stdSerializers.err(error as Error);
  if (!(error instanceof Error)) return described;
  const { stack } = described as { stack?: unknown };
  return typeof stack === 'string' ? { ...(described as object), stack: withSourcePositions(stack) } : described;
}
