/**
 * Bounds by calendar. A service has other bounds during a span that begins at each match of a cron expression. Times
 * are in a named time zone, so that they follow daylight saving time.
 */
import { checkOptions, count, string } from '../shared/options.js';

/** Bounds for a recurring span of time. */
export interface ScheduledBounds {
  /** When the span begins and when it ends: five fields of cron (minute, hour, day of month, month, day of week). */
  readonly start: string;
  readonly end: string;
  /** IANA name, such as 'Europe/Berlin'. Default 'UTC'. */
  readonly timeZone?: string;
  /** Bounds within the span. Default: those of the policy. */
  readonly min?: number;
  readonly max?: number;
}

/**
 * A schedule entry that has been checked.
 *
 * @example
 * import type { BoundsSpan } from '@tooloo/resilience';
 *
 * export const minimumNow = (spans: readonly BoundsSpan[]): number | undefined =>
 *   spans.find((span) => span.isActive(Date.now()))?.min;
 */
export interface BoundsSpan {
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Whether the span holds at a moment, in epoch milliseconds. */
  isActive(now: number): boolean;
}

type Field = ReadonlySet<number>;
interface Cron {
  readonly minutes: Field;
  readonly hours: Field;
  readonly days: Field;
  readonly months: Field;
  readonly weekdays: Field;
  /** The rule of cron: if both day fields are restricted, a match of either one is enough. */
  readonly isEitherDay: boolean;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Number of days to search back for the last match, so that a yearly span is found. */
const LOOK_BACK = 367;

const RANGES = [
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day of month', 1, 31],
  ['month', 1, 12],
  ['day of week', 0, 7],
] as const;

function parseField(who: string, text: string, [name, low, high]: (typeof RANGES)[number]): Field {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const [, from, to, step] = /^(\*|\d+)(?:-(\d+))?(?:\/(\d+))?$/.exec(part) ?? [];
    if (from === undefined)
      throw new RangeError(`${who}: expected a ${name} of cron such as '*', '1-5' or '*/2', got '${part}'`);
    const first = from === '*' ? low : Number(from);
    const last = from === '*' || (to === undefined && step !== undefined) ? high : Number(to ?? from);
    const every = Number(step ?? 1);
    if (first < low || last > high || first > last || every < 1)
      throw new RangeError(`${who}: expected a ${name} from ${low} to ${high}, got '${part}'`);
    for (let value = first; value <= last; value += every) values.add(value);
  }
  return values;
}

function parseCron(who: string, text: string): Cron {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5) throw new RangeError(`${who}: expected the five fields of cron, got '${text}'`);
  const [minutes, hours, days, months, weekdays] = RANGES.map((range, i) => parseField(who, fields[i]!, range)) as [
    Field,
    Field,
    Field,
    Field,
    Field,
  ];
  const sundays = weekdays.has(7) ? new Set([...weekdays, 0]) : weekdays;
  return { minutes, hours, days, months, weekdays: sundays, isEitherDay: fields[2] !== '*' && fields[4] !== '*' };
}

/** The local time of the time zone, expressed as if it were UTC. */
function wallTime(format: Intl.DateTimeFormat, now: number): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(now)) parts[type] = Number(value);
  return Date.UTC(parts['year']!, parts['month']! - 1, parts['day'], parts['hour']! % 24, parts['minute']);
}

function isDay({ days, months, weekdays, isEitherDay }: Cron, midnight: number): boolean {
  const date = new Date(midnight);
  if (!months.has(date.getUTCMonth() + 1)) return false;
  const [day, weekday] = [days.has(date.getUTCDate()), weekdays.has(date.getUTCDay())];
  return isEitherDay ? day || weekday : day && weekday;
}

/** The last match at or before a local time; -Infinity if there is no match within a year. */
function lastMatch(cron: Cron, wall: number): number {
  const today = Math.floor(wall / DAY) * DAY;
  for (let back = 0; back < LOOK_BACK; back++) {
    const midnight = today - back * DAY;
    if (!isDay(cron, midnight)) continue;
    const latest = back === 0 ? wall - midnight : DAY - 1;
    for (let minute = Math.floor(latest / MINUTE); minute >= 0; minute--)
      if (cron.minutes.has(minute % 60) && cron.hours.has(Math.floor(minute / 60))) return midnight + minute * MINUTE;
  }
  return -Infinity;
}

/** @throws TypeError or RangeError for a wrong entry */
export function parseSchedule(who: string, entries: readonly ScheduledBounds[] = []): readonly BoundsSpan[] {
  return entries.map((entry, i) => {
    const name = `${who}[${i}]`;
    const checks = { start: string, end: string, timeZone: string, min: count(0), max: count() };
    const { start, end, timeZone = 'UTC', min, max } = checkOptions<ScheduledBounds>(name, entry, checks);
    if (start === undefined || end === undefined) throw new TypeError(`${name}: 'start' and 'end' are needed`);
    const [begins, ends] = [parseCron(`${name}: start`, start), parseCron(`${name}: end`, end)];
    const format = new Intl.DateTimeFormat('en-GB', {
      ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric' },
      minute: 'numeric',
    });
    let known: { minute: number; isActive: boolean } | undefined;
    return {
      min,
      max,
      isActive(now) {
        const minute = Math.floor(now / MINUTE);
        if (known?.minute === minute) return known.isActive;
        const wall = wallTime(format, now);
        const isActive = lastMatch(begins, wall) > lastMatch(ends, wall);
        known = { minute, isActive };
        return isActive;
      },
    };
  });
}

/** The bounds at a moment: of several spans the highest minimum and the highest maximum hold. */
export function boundsAt(
  spans: readonly BoundsSpan[],
  min: number,
  max: number,
  now: number,
): { min: number; max: number } {
  const active = spans.filter((span) => span.isActive(now));
  if (active.length === 0) return { min, max };
  const most = Math.max(...active.map((span) => span.max ?? max));
  const least = Math.max(...active.map((span) => span.min ?? min));
  return { min: least, max: Math.max(most, least) };
}
