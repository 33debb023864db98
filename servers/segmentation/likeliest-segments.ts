/**
 * Divides a text into the segments that explain its words best, after Utiyama and Isahara (2001). Each segment has its
 * own vocabulary, and each boundary costs as much as encoding its position. It needs no training.
 */

/** Steps spent on one text: the longer the text is, the shorter is the longest segment considered. */
const STEPS = 6_000_000;
/**
 * The fewest words that a segment is assumed to use, because a short text shows too few of them and would be divided
 * into too many segments. Values from 300 to 800 work about equally well on short and long texts.
 */
const WORDS_OF_A_TEXT = 500;
/** Units of the longest segment looked at in any case. */
const LEAST_REACH = 60;

/**
 * Indices of the units that begin a segment, without the first: ascending.
 *
 * @param cost of a boundary, in logarithms of the number of terms; 1 is Utiyama's
 * @param minSegment units a segment has at least
 */
export function likeliestBoundaries(units: readonly (readonly string[])[], cost: number, minSegment: number): number[] {
  const { coded, distinct, terms } = encode(units);
  const vocabulary = Math.max(distinct, Math.min(WORDS_OF_A_TEXT, 5 * distinct));
  const reach = Math.max(LEAST_REACH, 2 * minSegment, Math.floor(STEPS / Math.max(1, terms)));
  const price = cost * Math.log(Math.max(2, terms));
  const counts = new Uint32Array(distinct);
  const best = new Float64Array(units.length + 1).fill(Infinity);
  const from = new Int32Array(units.length + 1);
  best[0] = 0;
  for (let start = 0; start < units.length; start++) {
    if (best[start] === Infinity) continue;
    const end = Math.min(units.length, start + reach);
    let length = 0;
    let gain = 0; // sum of n · log(n + 1) over the terms of the segment
    for (let i = start; i < end; i++) {
      for (const term of coded[i]!) {
        const n = counts[term]!++;
        gain += (n + 1) * log(n + 2) - n * log(n + 1);
        length++;
      }
      if (i + 1 - start < minSegment) continue;
      const total = best[start]! + length * Math.log(length + vocabulary) - gain + price;
      if (total < best[i + 1]!) {
        best[i + 1] = total;
        from[i + 1] = start;
      }
    }
    for (let i = start; i < end; i++) for (const term of coded[i]!) counts[term] = 0;
  }
  const boundaries: number[] = [];
  if (best[units.length] === Infinity) return boundaries; // shorter than one segment
  for (let at = from[units.length]!; at > 0; at = from[at]!) boundaries.push(at);
  return boundaries.reverse();
}

const LOGARITHMS = Float64Array.from({ length: 1024 }, (_, n) => Math.log(n));
const log = (n: number): number => LOGARITHMS[n] ?? Math.log(n);

/** Terms as small numbers. */
function encode(units: readonly (readonly string[])[]): { coded: number[][]; distinct: number; terms: number } {
  const codes = new Map<string, number>();
  let terms = 0;
  const coded = units.map((unit) =>
    unit.map((term) => {
      terms++;
      const code = codes.get(term) ?? codes.size;
      codes.set(term, code);
      return code;
    }),
  );
  return { coded, distinct: codes.size, terms };
}
