/** Short facts about a span: decisions, waiting times, statements. */
import type { JoinedSpan } from '../../web/trace-search.js';
import { deepestRoute } from './deepest-route.js';

/** The kind of work of a span. Each kind has its own colour and label. */
export type SpanRole = 'request' | 'call' | 'query' | 'wait' | 'cache' | 'work';

export interface SpanFact {
  readonly word: string;
  /** How prominently to show the fact. */
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

/** The name of a trace: what was requested, by the deepest route that a service knows. */
export function nameOf(spans: readonly JoinedSpan[]): string {
  const [first] = spans;
  if (first?.kind !== 'server') return first === undefined ? '' : labelOf(first);
  return deepestRoute(spans.flatMap(({ kind, operation }) => (kind === 'server' ? [operation] : [])))!;
}

/**
 * The label of a span: the shape of its statement, the service it called, or otherwise the operation.
 *
 * @param children the spans directly below it, which know the instance that a request was forwarded to
 */
export function labelOf({ operation, attributes }: JoinedSpan, children: readonly JoinedSpan[] = []): string {
  const peer = attributes['peer.service'];
  if (typeof peer === 'string') return `${String(attributes['http.request.method'] ?? 'call')} → ${peer}`;
  const port = attributes['server.port'];
  const answered = children.find(({ kind }) => kind === 'server');
  if (operation === 'proxy.attempt' && port !== undefined)
    return `forward → ${answered?.instance ?? `:${String(port)}`}`;
  const statement = attributes['db.query.summary'];
  return typeof statement === 'string' ? statement : operation;
}

/** The facts to show beside the name of the span. */
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

/** Why a span failed, as it was recorded: its error, or the problem that was sent. */
export interface Failure {
  readonly spanId: string;
  readonly service: string;
  readonly message: string;
}

/** The failed spans that say why, the one that failed last first: it is usually the nearest to the cause. */
export function failuresOf(spans: readonly JoinedSpan[]): Failure[] {
  return [...spans]
    .sort((a, b) => b.startTime - a.startTime)
    .flatMap(({ spanId, service, status, error, attributes }) => {
      if (status === 'success' || status === 'active') return [];
      const sent = attributes['error.message'];
      const message = typeof sent === 'string' ? sent : error;
      return message === undefined ? [] : [{ spanId, service, message }];
    });
}
