/** Splits text in any script into terms. The similarity of two parts of a conversation is computed from these terms. */

/** Frequent words that do not indicate a topic. For languages other than English, `dropFrequent` removes such words. */
const STOP_WORDS = new Set(
  (
    'a about after again all also am an and any are as at be because been before being but by can could did do does ' +
    'doing done for from get go got had has have having he her here hers him his how i if in into is it its just know let ' +
    'like make may me might mine more most much must my no nor not now of off ok okay on once one only or other our ours ' +
    'out over own please really said same say see she should so some such sure than thank thanks that the their theirs ' +
    'them then there these they thing things think this those through to too under until up us use very want was we well ' +
    'were what when where which while who whom why will with would yes yet you your yours don doesn didn isn aren wasn ' +
    'weren won wouldn couldn shouldn haven hasn hadn ll ve re im hi hello hey'
  ).split(' '),
);

const WORD = /[\p{L}\p{M}\p{N}]+/gu;

/** Scripts written without spaces between words. A dictionary finds their words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

const dictionary = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Number of characters passed to the dictionary at once, because its time grows faster than the text. */
const PIECE = 500;

const SHORTEST = 2;

/** A term in at most this many units is never frequent: in a short talk, a term in every message is its topic. */
const FEW_UNITS = 8;

/** The terms of a text in order: lower case, Unicode forms unified (NFKC), without stop words and plural endings. */
export function tokenize(text: string): string[] {
  const terms: string[] = [];
  for (const [word] of text.normalize('NFKC').toLowerCase().matchAll(WORD)) {
    if (UNSPACED.test(word)) {
      terms.push(...wordsIn(word));
    } else if (word.length >= SHORTEST && !STOP_WORDS.has(word)) {
      terms.push(singular(word));
    }
  }
  return terms;
}

/** The words of a run of letters without spaces. */
function* wordsIn(run: string): Iterable<string> {
  for (let start = 0; start < run.length; start += PIECE) {
    for (const { segment, isWordLike } of dictionary.segment(run.slice(start, start + PIECE))) {
      if (isWordLike) yield segment;
    }
  }
}

/** Harman's S stemmer (1991), which unifies singular and plural. In doubt, it does not change the word. */
function singular(word: string): string {
  if (word.length < 4 || !/s$/.test(word)) return word;
  if (/ies$/.test(word) && !/[ae]ies$/.test(word)) return `${word.slice(0, -3)}y`;
  if (/es$/.test(word) && !/[aeo]es$/.test(word)) return word.slice(0, -1);
  return /[us]s$/.test(word) ? word : word.slice(0, -1);
}

/**
 * Removes terms that occur in most units. These are the stop words of languages without a stop-word list.
 *
 * @param part removes terms in more than this share of the units; 1 keeps all
 */
export function dropFrequent(units: readonly (readonly string[])[], part: number): string[][] {
  const count = new Map<string, number>();
  for (const unit of units) for (const term of new Set(unit)) count.set(term, (count.get(term) ?? 0) + 1);
  const most = Math.max(FEW_UNITS, part * units.length);
  return units.map((unit) => unit.filter((term) => count.get(term)! <= most));
}
