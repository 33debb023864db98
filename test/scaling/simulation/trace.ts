/** Reads a measured load from CSV, and turns it into the request rate of every second. */

interface Point {
  /** Seconds. */
  readonly at: number;
  readonly value: number;
}

/** A longer trace does not fit in memory as one rate per second. */
const LONGEST = 366 * 24 * 3600;

/** A date is UTC unless it names a zone. A number is in seconds, or in milliseconds from the year 2001 on. */
function secondsOf(text: string): number {
  const number = Number(text);
  if (text !== '' && Number.isFinite(number)) return number > 1e12 ? number / 1000 : number;
  const hasZone = /(?:Z|[+-]\d\d:?\d\d)$/.test(text);
  return Date.parse(hasZone ? text : `${text.replace(' ', 'T')}Z`) / 1000;
}

function parsePoint(line: string, number: number): Point {
  const [time = '', text = ''] = line.split(',').map((field) => field.trim().replace(/^"(.*)"$/, '$1'));
  const point = { at: secondsOf(time), value: text === '' ? NaN : Number(text) };
  if (Number.isFinite(point.at) && Number.isFinite(point.value) && point.value >= 0) return point;
  throw new Error(`line ${number}: expected "timestamp,value" with a value of at least 0, got "${line}"`);
}

/**
 * The points of a CSV file of `timestamp,value`, in order of time. The first line may be a header.
 *
 * @throws Error that names the line
 */
function parseTrace(csv: string): Point[] {
  const lines = csv.replace(/^\uFEFF/, '').split(/\r?\n/);
  const hasHeader = /^"?[a-z]/i.test(lines[0] ?? '');
  const points = lines.flatMap((line, i) =>
    line.trim() === '' || (hasHeader && i === 0) ? [] : parsePoint(line, i + 1),
  );
  points.sort((a, b) => a.at - b.at);
  if (points.length < 2 || points.at(-1)!.at - points[0]!.at < 1)
    throw new Error('expected at least two points in time');
  if (points.at(-1)!.at - points[0]!.at > LONGEST) throw new Error('expected at most a year');
  return points;
}

/** The value of every second, linear between the points. */
function interpolate(points: readonly Point[]): Float64Array {
  const start = points[0]!.at;
  const rates = new Float64Array(Math.floor(points.at(-1)!.at - start) + 1);
  let next = 1;
  for (let second = 0; second < rates.length; second++) {
    while (next < points.length - 1 && points[next]!.at - start <= second) next++;
    const [before, after] = [points[next - 1]!, points[next]!];
    const share = after.at === before.at ? 1 : (second - (before.at - start)) / (after.at - before.at);
    rates[second] = before.value + (after.value - before.value) * Math.min(1, Math.max(0, share));
  }
  return rates;
}

/** Scales the rates in place to a mean. A trace of zeros stays as it is. */
export function scaleToMean(rates: Float64Array, mean: number): Float64Array {
  const factor = (mean * rates.length) / rates.reduce((sum, rate) => sum + rate, 0);
  return Number.isFinite(factor) ? rates.map((rate) => rate * factor) : rates;
}

/** The request rate of every second of a measured load. Without a mean, the values are requests per second. */
export function ratesFromCsv(csv: string, mean?: number): Float64Array {
  const rates = interpolate(parseTrace(csv));
  return mean === undefined ? rates : scaleToMean(rates, mean);
}
