/** Formats a log line of a service for people. */
import { clockTime } from './format.js';

export interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly text: string;
  readonly traceId: string | undefined;
}

const SHOWN_APART = new Set(['level', 'time', 'service', 'instance', 'pid', 'hostname', 'msg', 'traceId', 'spanId']);

/** Parses a JSON line written by pino. Any other line, such as a stack trace, is returned unchanged. */
export function readLogLine(line: string): LogLine {
  const entry = parsed(line);
  if (entry === undefined) return { time: '', level: 'info', text: line, traceId: undefined };
  const rest = Object.entries(entry)
    .filter(([name]) => !SHOWN_APART.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const { time, level, msg, traceId } = entry;
  return {
    time: typeof time === 'string' && !Number.isNaN(Date.parse(time)) ? clockTime(Date.parse(time), true) : '',
    level: typeof level === 'string' ? level : 'info',
    text: [typeof msg === 'string' ? msg : '', ...rest].join('  ').trim(),
    traceId: typeof traceId === 'string' && /^[0-9a-f]{32}$/.test(traceId) ? traceId : undefined,
  };
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
