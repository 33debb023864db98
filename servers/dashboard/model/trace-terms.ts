/** A search for traces in one line: `status:500 route:/api/x http.request.method:GET duration>100`. */

export interface TraceTerms {
  /** Outcome of the trace, or an HTTP status. */
  readonly status?: 'success' | 'error' | number;
  readonly route?: string;
  readonly service?: string;
  /** Milliseconds. */
  readonly minDuration?: number;
  readonly maxDuration?: number;
  /** Span attributes, as text. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** An error in a search line, described for the person who typed it. */
export class TraceTermError extends Error {
  override readonly name = 'TraceTermError';
}

/** Maximum length of a line in characters, and maximum number of terms. */
export const LONGEST_TERMS = 500;
const MOST_TERMS = 12;

/** A word, or a name with a quoted value. A comparison sign belongs to the word. */
const TERM = /[^\s"]+"[^"]*"|\S+/g;
const COMPARISON = /^duration(>=?|<=?)(\d+(?:\.\d+)?)(ms|s)?$/;
const PAIR = /^([^\s:"]+):(?:"([^"]*)"|([^\s"]+))$/;

/** @throws TraceTermError that says what was expected */
export function parseTraceTerms(line: string): TraceTerms {
  if (line.length > LONGEST_TERMS) throw new TraceTermError(`expected at most ${LONGEST_TERMS} characters`);
  const words = line.match(TERM) ?? [];
  if (words.length > MOST_TERMS) throw new TraceTermError(`expected at most ${MOST_TERMS} terms, got ${words.length}`);
  return words.reduce<TraceTerms>((terms, word) => withTerm(terms, word), { attributes: {} });
}

function withTerm(terms: TraceTerms, word: string): TraceTerms {
  const compared = COMPARISON.exec(word);
  if (compared !== null) {
    const [, sign = '', amount, unit] = compared;
    const ms = Number(amount) * (unit === 's' ? 1000 : 1);
    return sign.startsWith('>') ? { ...terms, minDuration: ms } : { ...terms, maxDuration: ms };
  }
  if (/^duration\b/.test(word))
    throw new TraceTermError(`'${word}': expected a number of milliseconds, e.g. duration>100 or duration<2s`);
  const [, name, quoted, plain] = PAIR.exec(word) ?? [];
  const value = quoted ?? plain;
  if (name === undefined || value === undefined)
    throw new TraceTermError(`'${word}': expected name:value, name:"a value" or duration>100`);
  if (name === 'status') return { ...terms, status: statusOf(value) };
  if (name === 'route' || name === 'service') return { ...terms, [name]: value };
  return { ...terms, attributes: { ...terms.attributes, [name]: value } };
}

function statusOf(value: string): 'success' | 'error' | number {
  if (value === 'success' || value === 'error') return value;
  if (/^[1-5]\d\d$/.test(value)) return Number(value);
  throw new TraceTermError(`'status:${value}': expected success, error or an HTTP status`);
}

/** The term that searches for an attribute; undefined if no term can express it. */
export function termOf(name: string, value: unknown): string | undefined {
  const text = String(value);
  const isOwnTerm = /^(status|route|service|duration\b.*)$/.test(name);
  if (isOwnTerm || Array.isArray(value) || /[\s:"]/.test(name) || name === '') return undefined;
  if (text === '' || text.includes('"') || name.length + text.length > LONGEST_TERMS - 3) return undefined;
  return `${name}:${/\s/.test(text) ? `"${text}"` : text}`;
}
