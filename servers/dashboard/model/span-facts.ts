/** What a span says in a few words: what was decided, waited for, asked. */
import type { JoinedSpan } from '../../web/trace-search.js';

/** What kind of work a span is: it has its own colour, and its own word. */
export type SpanRole = 'request' | 'call' | 'query' | 'wait' | 'cache' | 'work';

export interface SpanFact {
  readonly word: string;
  /** How much it deserves to be seen. */
  readonly tone: 'plain' | 'good' | 'warn' | 'bad';
}

const ROLES: ReadonlyArray<readonly [RegExp, SpanRole]> = [
  [/^(proxy\.attempt|http\.client)$/, 'call'],
  [/^db\./, 'query'],
  [/^(pool\.acquire|rate_limit\.wait|concurrency_limit\.wait)$/, 'wait'],
  [/^cache[. ]/, 'cache'],
];

export function roleOf({ kind, operation }: JoinedSpan): SpanRole {
  if (kind === 'server') return 'request';
  return ROLES.find(([pattern]) => pattern.test(operation))?.[1] ?? (kind === 'client' ? 'call' : 'work');
}

/** What the span is called: the statement's shape, whom it called, else the operation. */
export function labelOf({ operation, attributes }: JoinedSpan): string {
  const peer = attributes['peer.service'];
  if (typeof peer === 'string') return `${String(attributes['http.request.method'] ?? 'call')} → ${peer}`;
  const port = attributes['server.port'];
  if (operation === 'proxy.attempt' && port !== undefined) return `forward → :${String(port)}`;
  const statement = attributes['db.query.summary'];
  return typeof statement === 'string' ? statement : operation;
}

/** The facts worth a word beside the span's name. */
export function factsOf({ status, attributes, error }: JoinedSpan): SpanFact[] {
  const facts: SpanFact[] = [];
  const answered = attributes['http.response.status_code'];
  if (typeof answered === 'number')
    facts.push({ word: answered === 429 ? '429 limited' : String(answered), tone: toneOf(answered) });
  const resend = Number(attributes['http.request.resend_count'] ?? 0);
  if (resend > 0) facts.push({ word: `retry ${resend}`, tone: 'warn' });
  const hit = attributes['cache.hit'];
  if (typeof hit === 'boolean') facts.push(hit ? { word: 'hit', tone: 'good' } : { word: 'miss', tone: 'plain' });
  if (status !== 'success' && status !== 'active') facts.push({ word: error ?? status, tone: 'bad' });
  if (status === 'active') facts.push({ word: 'still running', tone: 'warn' });
  return facts;
}

function toneOf(status: number): SpanFact['tone'] {
  if (status >= 500) return 'bad';
  return status >= 400 ? 'warn' : 'plain';
}
