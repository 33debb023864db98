/** Dates of HTTP (RFC 9110 §5.6.7): written in one form, read in three, and only in GMT. */

const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const LONG_DAY = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)';
const MONTH = '(?<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';
const TIME = '(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})';

const IMF_FIXDATE = new RegExp(`^${DAY}, (?<day>\\d{2}) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`, 'i');
const RFC_850 = new RegExp(`^${LONG_DAY}, (?<day>\\d{2})-${MONTH}-(?<year>\\d{2}) ${TIME} GMT$`, 'i');
const ASCTIME = new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`, 'i');

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/**
 * Milliseconds since the epoch, or undefined for anything that is not exactly a date of HTTP: another zone or an
 * impossible day. `Date.parse` would accept most of those, and make an expired response fresh. A cache compares the
 * names of days, months and the zone in any letter case (RFC 9111 §4.2).
 *
 * @param now decides the century of a two-digit year: one more than 50 years ahead is in the past
 */
export function parseHttpDate(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const match = IMF_FIXDATE.exec(text) ?? RFC_850.exec(text) ?? ASCTIME.exec(text);
  if (match?.groups === undefined) return undefined;
  const { day, month, year, hour, minute, second } = match.groups as Record<string, string>;
  const fullYear = year!.length === 2 ? fullYearOf(Number(year), now) : Number(year);
  const dayOfMonth = Number(day);
  const seconds = Math.min(Number(second), 59); // 60 is a leap second, which POSIX time does not count
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(fullYear, MONTHS.indexOf(month!.toLowerCase()), dayOfMonth);
  date.setUTCHours(Number(hour), Number(minute), seconds);
  return date.getUTCDate() === dayOfMonth ? date.getTime() : undefined;
}

function fullYearOf(twoDigits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}

/** The date in the form that is sent, in whole seconds. */
export function formatHttpDate(time: number): string {
  return new Date(time).toUTCString();
}
