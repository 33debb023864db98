/** Formats figures for people: three digits and a suitable unit. */

const DASH = '–';

function digits(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** Milliseconds: `0.42 ms`, `12.0 ms`, `1.35 s`, `3m 20s`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return DASH;
  if (ms < 1000) return `${digits(ms)} ms`;
  if (ms < 60_000) return `${digits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`;
}

/** Bytes: `12.4 MB`. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let left = value;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit++;
  }
  return `${unit === 0 ? left : digits(left)} ${units[unit]}`;
}

/** A share from 0 to 1: `12.3 %`. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined) return DASH;
  const value = share * 100;
  return `${value === 0 || value === 100 ? value : value < 0.1 ? '<0.1' : value.toFixed(1)} %`;
}

/** Per second: `12.5/s`. */
export function rate(perSecond: number | null | undefined): string {
  return perSecond === null || perSecond === undefined ? DASH : `${digits(perSecond)}/s`;
}

/** A count, with digits grouped in threes. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : Math.round(value).toLocaleString('en');
}

export type Zone = 'local' | 'UTC';

let zone: Zone = 'local';

/** From now on times are shown in this zone. */
export function showTimesIn(shown: Zone): void {
  zone = shown;
}

/** Day and time, `May 4, 10:31:05`, with the zone if it is UTC. */
export function dateTime(at: number): string {
  const options = { month: 'short', day: 'numeric', ...(zone === 'UTC' && { timeZone: 'UTC' }) } as const;
  return `${new Date(at).toLocaleDateString('en', options)}, ${clockTime(at)}${zone === 'UTC' ? ' UTC' : ''}`;
}

/** Local or UTC time of day, with milliseconds on request. */
export function clockTime(at: number, withMillis = false): string {
  const date = new Date(at);
  const pad = (value: number, width = 2): string => String(value).padStart(width, '0');
  const [hours, minutes] =
    zone === 'UTC' ? [date.getUTCHours(), date.getUTCMinutes()] : [date.getHours(), date.getMinutes()];
  const time = `${pad(hours)}:${pad(minutes)}:${pad(date.getSeconds())}`;
  return withMillis ? `${time}.${pad(date.getMilliseconds(), 3)}` : time;
}
