/**
 * What the stores have in common whose server decides: RedisStore and PostgresStore turn every call into one operation on
 * buckets, which the server runs atomically.
 */
import { ResilienceError } from '../shared/errors.js';
import { ALGORITHMS, tokensLeft, unitsOf, type Quota } from './quota.js';
import { describeDecision, type Charge, type RateLimitStore } from './store.js';

export type OperationName = 'take' | 'spend' | 'refund' | 'write' | 'read';

/** A bucket's part of an operation. */
export interface Part {
  readonly key: string;
  readonly quota: Quota;
  readonly units: number;
}

/** What the server found, by part. */
export interface Outcome {
  readonly pays: boolean;
  /** The server's time in microseconds. */
  readonly now: number;
  readonly debts: readonly number[];
  /** What the previous window of each bucket counted, and the window in force. */
  readonly previous: readonly number[];
  readonly windows: readonly number[];
}

/** Stores on one client with one prefix or table use the same buckets. */
const namespaces = new WeakMap<object, Map<string, object>>();

export function namespaceOf(client: object, prefix: string): object {
  let prefixes = namespaces.get(client);
  if (prefixes === undefined) namespaces.set(client, (prefixes = new Map<string, object>()));
  let namespace = prefixes.get(prefix);
  if (namespace === undefined) prefixes.set(prefix, (namespace = {}));
  return namespace;
}

function partOf({ key, quota, cost }: Charge): Part {
  return { key, quota, units: unitsOf(quota, cost) };
}

function describe(charges: readonly Charge[], { debts, previous, windows, now }: Outcome, taken: boolean): void {
  charges.forEach((one, i) => {
    const state = { debt: debts[i]!, previous: previous[i]!, window: windows[i]!, time: now };
    describeDecision(one, state, taken);
  });
}

/** The error of a store: STORE_UNAVAILABLE, unless the cause is an error of this kit. */
export function storeError(store: string, why: string, cause?: unknown): ResilienceError {
  if (ResilienceError.is(cause)) return cause;
  return new ResilienceError('STORE_UNAVAILABLE', `${store}: ${why}`, { cause });
}

export abstract class ServerStore implements RateLimitStore {
  readonly algorithms = ALGORITHMS;
  abstract readonly namespace: object;
  abstract readonly instances: number;

  /**
   * Runs an operation on all of its buckets, or on none.
   *
   * @internal
   */
  protected abstract run(operation: OperationName, parts: readonly Part[]): Promise<Outcome>;

  /** Forgets all buckets of a policy. */
  abstract resetAll(policy: string): Promise<void>;

  /** Rejects later calls. The client stays open, because it belongs to the caller. */
  abstract close(): void;

  async take(charges: readonly Charge[]): Promise<boolean> {
    const outcome = await this.run('take', charges.map(partOf));
    describe(charges, outcome, outcome.pays);
    return outcome.pays;
  }

  async spend(charges: readonly Charge[]): Promise<void> {
    describe(charges, await this.run('spend', charges.map(partOf)), true);
  }

  async refund(charges: readonly Charge[]): Promise<void> {
    await this.run('refund', charges.map(partOf));
  }

  async read(key: string, quota: Quota): Promise<number> {
    const { debts } = await this.run('read', [{ key, quota, units: 0 }]);
    return tokensLeft(quota, debts[0]!);
  }

  async write(key: string, quota: Quota, tokens: number): Promise<void> {
    const debt = quota.capacity - Math.min(quota.capacity, Math.max(0, unitsOf(quota, tokens)));
    await this.run('write', [{ key, quota, units: debt }]);
  }

  async reset(key: string, quota: Quota): Promise<void> {
    await this.run('write', [{ key, quota, units: 0 }]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}
