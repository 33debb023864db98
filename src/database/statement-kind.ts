/** The kind of a statement, as far as its tokens show it. */
import type { SqlToken } from './sql-tokens.js';

/** 'other' is everything that neither just reads nor just changes rows: DDL, PRAGMA, SET, BEGIN. */
export type StatementKind = 'read' | 'write' | 'other';

const READS: ReadonlySet<string> = new Set(['select', 'values', 'table']);
const WRITES: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'replace', 'merge']);

/** The kind of one statement; of several in one text, 'other'. */
export function statementKind(tokens: readonly SqlToken[]): StatementKind {
  const end = tokens.findIndex(({ text }) => text === ';');
  if (end !== -1 && tokens.slice(end).some(({ text }) => text !== ';')) return 'other';
  const first = tokens.find(({ text }) => text !== '(');
  if (first?.kind !== 'word') return 'other';
  if (WRITES.has(first.value)) return 'write';
  if (READS.has(first.value)) return 'read';
  if (first.value !== 'with') return 'other';
  // PostgreSQL's WITH may change rows in any of its parts.
  return tokens.some(({ kind, value }) => kind === 'word' && WRITES.has(value)) ? 'write' : 'read';
}
