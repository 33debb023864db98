/** OpenTelemetry's ways to write a time, and milliseconds since the Unix epoch. */
import type { HrTime, TimeInput } from '@opentelemetry/api';

/** Three years in milliseconds: no process runs that long, and as a time of the epoch it is long past. */
const LONGEST_UPTIME = 1e11;

/** Accepts a date, a pair of seconds and nanoseconds, epoch milliseconds, or a reading of `performance`. */
export function epochMilliseconds(time: TimeInput): number {
  if (time instanceof Date) return time.getTime();
  if (typeof time === 'object') return time[0] * 1000 + time[1] / 1e6;
  return time < LONGEST_UPTIME ? performance.timeOrigin + time : time;
}

/** The precision with which a double represents a current time is a microsecond. */
export function hrTime(milliseconds: number): HrTime {
  const microseconds = Math.round(milliseconds * 1000);
  return [Math.floor(microseconds / 1e6), (microseconds % 1e6) * 1000];
}
