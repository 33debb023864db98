/** Formats a log line of a service for people. */
import { clockTime } from './format.js';

export interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly text: string;
  /** The stack trace of the logged error. */
  readonly stack: string | undefined;
  readonly traceId: string | undefined;
}

const SHOWN_APART = new Set(['level', 'time', 'service', 'instance', 'pid', 'hostname', 'msg', 'traceId', 'spanId']);

/** Parses a JSON line written by pino. Any other line, such as a stack trace, is returned unchanged. */
export function readLogLine(line: string): LogLine {
  const entry = parsed(line);
  if (entry === undefined) return { time: '', level: 'info', text: line, stack: undefined, traceId: undefined };
  const rest = Object.entries(entry)
    .filter(([name]) => !SHOWN_APART.has(name))
    .map(([name, value]) => `${name}=${name === 'err' ? errorText(value) : plainText(value)}`);
  const { time, level, msg, traceId } = entry;
  return {
    time: typeof time === 'string' && !Number.isNaN(Date.parse(time)) ? clockTime(Date.parse(time), true) : '',
    level: typeof level === 'string' ? level : 'info',
    text: [typeof msg === 'string' ? msg : '', ...rest].join('  ').trim(),
    stack: stackOf(entry['err']),
    traceId: typeof traceId === 'string' && /^[0-9a-f]{32}$/.test(traceId) ? traceId : undefined,
  };
}

/** An error with a stack trace is shown by its type and message. The stack trace is shown apart. */
function errorText(value: unknown): string {
  if (stackOf(value) === undefined) return plainText(value);
  const { type, message, stack: _, ...rest } = value as Record<string, unknown>;
  const more = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
  return `${[type, message].filter((part) => typeof part === 'string').join(': ')}${more}`;
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function stackOf(value: unknown): string | undefined {
  const stack = (value as { stack?: unknown } | null | undefined)?.stack;
  return typeof stack === 'string' ? stack : undefined;
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
