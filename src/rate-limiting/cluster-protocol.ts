/**
 * The messages between the workers of Node's cluster, which ask for decisions, and the primary process, which makes them. They
 * travel as JSON, which has no Infinity.
 */
import type { Quota } from './quota.js';
import type { Charge } from './store.js';

export const ASK = '@tooloo/resilience:limits?';
export const ANSWER = '@tooloo/resilience:limits';

export type OperationName = 'take' | 'spend' | 'refund' | 'read' | 'write' | 'reset' | 'resetAll' | 'declare';

/** The key of a bucket, the index of its quota in the request, and the tokens. */
export type Part = readonly [key: string, quota: number, tokens: number];

export interface Operation {
  readonly name: OperationName;
  readonly parts: readonly Part[];
  /** Of `resetAll`: the policy. */
  readonly policy?: string;
}

/** The operations of one turn of a worker's event loop. */
export interface Request {
  readonly type: typeof ASK;
  /** Unique among the stores of a worker, also of two copies of this package. */
  readonly id: string;
  /** The name of the store. */
  readonly store: string;
  /** By `machineMicroseconds`: after it, the worker has given up, and nothing may be charged. */
  readonly until: number;
  readonly quotas: readonly Quota[];
  readonly operations: readonly Operation[];
}

/** The output members of a `Charge`. `null` stands for Infinity. */
export type Finding = readonly [remaining: number, retryAfter: number | null, resetAfter?: number | null];

export interface Result {
  /** Of `take`: 1 if every bucket paid. Of `read`: the tokens. Of `declare`: how many limits are in use. */
  readonly value: number;
  readonly findings?: readonly Finding[];
}

export interface Answer {
  readonly type: typeof ANSWER;
  readonly id: string;
  /** How many processes share the store. */
  readonly processes: number;
  /** One for each operation. Missing if nothing was done. */
  readonly results?: readonly Result[];
  /** Why nothing was done. */
  readonly refusal?: string;
}

export function findingOf({ remaining, retryAfter, resetAfter }: Charge): Finding {
  const wait = finite(retryAfter);
  return resetAfter === undefined ? [remaining, wait] : [remaining, wait, finite(resetAfter)];
}

export function applyFinding(charge: Charge, [remaining, retryAfter, resetAfter]: Finding): void {
  charge.remaining = remaining;
  charge.retryAfter = retryAfter ?? Infinity;
  if (resetAfter !== undefined) charge.resetAfter = resetAfter ?? Infinity;
}

/** Monotonic, and the same for all processes of a machine. */
export function machineMicroseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return 1e6 * seconds + nanoseconds / 1000;
}

function finite(value: number): number | null {
  return value === Infinity ? null : value;
}
