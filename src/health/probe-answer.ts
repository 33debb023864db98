/**
 * Interprets the answer of a probe. Every answer that does not clearly report success is a failure, because libraries
 * word their answers differently. A failure taken for a pass would send traffic to a service that cannot serve it.
 */
import { describeValue, isError, propertyOf } from '../shared/user-value.js';

/** A probe's answer with more detail than true or false. */
export interface ProbeAnswer {
  /**
   * `pass`, `warn` or `fail`, or their aliases in any letter case: `ok`, `up`, `healthy`, `ready`, `success`; `warning`,
   * `degraded`. Any other word has failed. A number is an HTTP status: 2xx passes.
   */
  readonly status?: 'pass' | 'warn' | 'fail';
  /** What it measured, with its unit ('ms', 'bytes', '%'). */
  readonly observedValue?: number | string;
  readonly observedUnit?: string;
  /** A sentence for the operator. */
  readonly output?: string;
}

export type ProbeOutcome = Required<Pick<ProbeAnswer, 'status'>> & ProbeAnswer;

/** Characters of `output`, `observedValue` and `observedUnit` that are kept. */
export const MAX_OUTPUT = 500;

/** Aliases as draft-inadarei-api-health-check-06 §3.1 names them, and those of common libraries. */
const WORDS: Readonly<Record<string, ProbeOutcome['status']>> = {
  pass: 'pass',
  passed: 'pass',
  passing: 'pass',
  ok: 'pass',
  up: 'pass',
  healthy: 'pass',
  ready: 'pass',
  success: 'pass',
  alive: 'pass',
  pong: 'pass',
  warn: 'warn',
  warning: 'warn',
  degraded: 'warn',
};

/** Members that say yes or no. */
const FLAGS = ['ok', 'healthy', 'ready', 'success', 'up', 'alive'];

/** The status that a value names; undefined if it names no known one. */
export function statusFrom(value: unknown): ProbeOutcome['status'] | undefined {
  if (typeof value === 'boolean') return value ? 'pass' : 'fail';
  if (typeof value === 'number') return value >= 200 && value < 300 ? 'pass' : 'fail';
  if (typeof value !== 'string') return undefined;
  const word = value.trim().toLowerCase();
  if (Object.hasOwn(WORDS, word)) return WORDS[word];
  return FAIL_WORDS.has(word) ? 'fail' : undefined;
}

const FAIL_WORDS = new Set([
  'fail',
  'failed',
  'failing',
  'error',
  'down',
  'unhealthy',
  'critical',
  'out_of_service',
  'dead',
]);

/** Interprets the return value of a probe. May throw if the value is an object that throws when read. */
export function judgeAnswer(answer: unknown): ProbeOutcome {
  if (answer === undefined || answer === null || answer === true) return { status: 'pass' };
  if (answer === false) return { status: 'fail' };
  if (isError(answer)) return { status: 'fail', output: describeValue(answer, MAX_OUTPUT) };
  // A text or number is a result ('PONG', a count of rows) and passes, unless it is a word for failure.
  if (typeof answer === 'string')
    return statusFrom(answer) === 'fail' ? { status: 'fail', output: answer } : { status: 'pass' };
  if (typeof answer !== 'object') return { status: 'pass' };
  const { status, observedValue, observedUnit, output } = answer as Record<string, unknown>;
  const judged = statusOf(answer, status);
  const said =
    output ?? (judged.isUnknown ? `unknown status ${describeValue(status, 100)}` : propertyOf(answer, 'error'));
  return {
    status: judged.status,
    ...(observedValue !== undefined && { observedValue: plain(observedValue) }),
    ...(observedUnit !== undefined && { observedUnit: describeValue(observedUnit, MAX_OUTPUT) }),
    ...(said !== undefined && said !== null && { output: describeValue(said, MAX_OUTPUT) }),
  };
}

function statusOf(answer: object, given: unknown): { status: ProbeOutcome['status']; isUnknown: boolean } {
  const status = given === undefined ? 'pass' : statusFrom(given);
  if (status === undefined) return { status: 'fail', isUnknown: true };
  const isRefused = FLAGS.some((flag) => {
    const value = propertyOf(answer, flag);
    return value === false || value === 0;
  });
  return { status: isRefused ? 'fail' : status, isUnknown: false };
}

function plain(value: unknown): number | string {
  return typeof value === 'number' ? value : describeValue(value, MAX_OUTPUT);
}
