/**
 * Grades answers by the rules in the challenge: exact, numeric, keyword, ordering or rubric. It uses no language model.
 */
import type { Answer, Solution } from './challenge.js';

export interface Grade {
  /** 0 (nothing correct) to 1 (everything correct). */
  readonly score: number;
  /** Sentences for the learner that name the correct and the missing parts. */
  readonly remarks: readonly string[];
}

type SolutionOf<K extends Solution['kind']> = Extract<Solution, { kind: K }>;

/** Grades one answer. An answer of the wrong type scores as a wrong answer; it is not an error. */
export function grade(solution: Solution, answer: Answer): Grade {
  switch (solution.kind) {
    case 'exact':
      return gradeExact(solution, textOf(answer));
    case 'numeric':
      return gradeNumeric(solution, answer);
    case 'keyword':
      return gradeKeywords(solution, words(textOf(answer)));
    case 'ordering':
      return gradeOrdering(solution, Array.isArray(answer) ? answer : textOf(answer).split(/\s*[,;\n]\s*/));
    case 'rubric':
      return gradeRubric(solution, words(textOf(answer)));
  }
}

function textOf(answer: Answer): string {
  return Array.isArray(answer) ? answer.join(', ') : String(answer);
}

function gradeExact({ accepted, caseSensitive }: SolutionOf<'exact'>, text: string): Grade {
  const plain = (one: string): string => normalised(caseSensitive ? one : one.toLowerCase());
  return accepted.some((one) => plain(one) === plain(text))
    ? { score: 1, remarks: ['right'] }
    : { score: 0, remarks: ['not the requested form'] };
}

/** Normalizes text: Unicode compatibility forms are unified, and white space becomes single spaces. */
function normalised(text: string): string {
  return text.normalize('NFKC').trim().replace(/\s+/g, ' ');
}

function gradeNumeric({ value, tolerance, relative }: SolutionOf<'numeric'>, answer: Answer): Grade {
  const number = typeof answer === 'number' ? answer : numberIn(textOf(answer));
  if (number === undefined) return { score: 0, remarks: ['expected a number'] };
  const allowed = Math.max(tolerance, relative * Math.abs(value));
  // An answer exactly at the limit is correct. Without this margin, a rounding error could decide.
  const rounding = Number.EPSILON * Math.max(Math.abs(value), Math.abs(number), allowed);
  const isRight = Math.abs(number - value) <= allowed + rounding;
  return { score: isRight ? 1 : 0, remarks: [isRight ? 'right' : number < value ? 'too small' : 'too large'] };
}

/** Parses a number as people write it: `1,234.5`, `1 234`, `-3e2`. Returns undefined for any other text. */
function numberIn(text: string): number | undefined {
  const plain = normalised(text).replace(/(\d)[ ,'](?=\d{3}(\D|$))/g, '$1');
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(plain) ? Number(plain) : undefined;
}

/** The words of a text, each surrounded by spaces, so that a plain search matches whole terms only. */
interface Words {
  readonly text: string;
  readonly count: number;
}

function words(text: string): Words {
  const found =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return { text: ` ${found.join(' ')} `, count: found.length };
}

function contains({ text }: Words, term: string): boolean {
  const wanted = words(term);
  return wanted.count > 0 && text.includes(wanted.text);
}

function gradeKeywords({ keywords }: SolutionOf<'keyword'>, text: Words): Grade {
  const found = keywords.filter(({ anyOf }) => anyOf.some((term) => contains(text, term)));
  const missing = keywords.filter((keyword) => !found.includes(keyword));
  return {
    score: share(
      found.map(({ weight }) => weight),
      keywords.map(({ weight }) => weight),
    ),
    remarks: missing.length === 0 ? ['all keywords found'] : missing.map(({ anyOf }) => `missing: ${anyOf[0]}`),
  };
}

/**
 * The share of pairs in the correct order (Kendall). Swapping two neighbours costs little; a full reversal scores 0.
 */
function gradeOrdering({ items }: SolutionOf<'ordering'>, given: readonly string[]): Grade {
  const places = items.map((item) => given.findIndex((one) => normalised(one) === normalised(item)));
  let inOrder = 0;
  let pairs = 0;
  for (let i = 0; i < places.length; i++) {
    for (let j = i + 1; j < places.length; j++) {
      pairs++;
      if (places[i]! >= 0 && places[i]! < places[j]!) inOrder++;
    }
  }
  const remarks = items.filter((_, i) => places[i] === -1).map((item) => `missing: ${item}`);
  if (remarks.length === 0) remarks.push(`${inOrder} of ${pairs} pairs in order`);
  return { score: inOrder / pairs, remarks };
}

function gradeRubric({ criteria }: SolutionOf<'rubric'>, text: Words): Grade {
  const met = criteria.filter((criterion) => meets(criterion, text));
  return {
    score: share(
      met.map(({ points }) => points),
      criteria.map(({ points }) => points),
    ),
    remarks: criteria.map((criterion) => `${criterion.name}: ${met.includes(criterion) ? 'met' : 'not met'}`),
  };
}

function meets(criterion: SolutionOf<'rubric'>['criteria'][number], text: Words): boolean {
  const { allOf = [], anyOf, noneOf = [], minWords = 0, maxWords = Infinity } = criterion;
  return (
    allOf.every((term) => contains(text, term)) &&
    (anyOf === undefined || anyOf.some((term) => contains(text, term))) &&
    !noneOf.some((term) => contains(text, term)) &&
    text.count >= minWords &&
    text.count <= maxWords
  );
}

function share(part: readonly number[], whole: readonly number[]): number {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
  return sum(part) / sum(whole);
}
