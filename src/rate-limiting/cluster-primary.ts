/** The primary process of a cluster: it keeps the buckets of a store, and decides for the workers. */
import type { Clock } from '../shared/clock.js';
import {
  ANSWER,
  findingOf,
  machineMicroseconds,
  type Answer,
  type Operation,
  type Request,
  type Result,
} from './cluster-protocol.js';
import type { MemoryStore } from './memory-store.js';
import { DECLARED_FOR, quotaText } from './quota-watch.js';
import type { Quota } from './quota.js';
import { charge } from './store.js';

/** Quotas that are remembered as objects. Beyond this number they are forgotten, which only costs time. */
const MAX_QUOTAS = 1_000;

export class ClusterPrimary {
  readonly #memory: MemoryStore;
  readonly #clock: Clock;
  /** A store compares quotas by identity, but each message has objects of its own. */
  readonly #quotas = new Map<string, Quota>();
  /** By policy: each limit in use, and when it was last declared. */
  readonly #declared = new Map<string, Map<string, number>>();

  constructor(memory: MemoryStore, clock: Clock) {
    this.#memory = memory;
    this.#clock = clock;
  }

  /** Runs the operations of a worker, or none of them if the worker has given up. */
  answer({ id, until, quotas, operations }: Request, processes: number): Answer {
    const answer = { type: ANSWER, id, processes } as const;
    if (machineMicroseconds() > until) return { ...answer, refusal: 'the primary process was busy for too long' };
    const known = quotas.map((quota) => this.#known(quota));
    return { ...answer, results: operations.map((operation) => this.#run(operation, known)) };
  }

  /** As `RateLimitStore.declare`. */
  declare(quota: Quota): number {
    const now = this.#clock.now();
    let limits = this.#declared.get(quota.name);
    if (limits === undefined) this.#declared.set(quota.name, (limits = new Map<string, number>()));
    limits.set(quotaText(quota), now);
    for (const [text, at] of limits) if (now - at > DECLARED_FOR) limits.delete(text);
    return limits.size;
  }

  #run({ name, parts, policy }: Operation, quotas: readonly Quota[]): Result {
    const [key, index, tokens] = parts[0] ?? ['', 0, 0];
    const quota = quotas[index]!;
    const charges = parts.map(([one, at, cost]) => charge(one, quotas[at]!, cost));
    switch (name) {
      case 'take':
        return { value: this.#memory.take(charges) ? 1 : 0, findings: charges.map(findingOf) };
      case 'spend':
        this.#memory.spend(charges);
        return { value: 1, findings: charges.map(findingOf) };
      case 'refund':
        this.#memory.refund(charges);
        return { value: 1 };
      case 'read':
        return { value: this.#memory.read(key, quota) };
      case 'write':
        this.#memory.write(key, quota, tokens);
        return { value: 1 };
      case 'reset':
        this.#memory.reset(key, quota);
        return { value: 1 };
      case 'resetAll':
        this.#memory.resetAll(policy!);
        return { value: 1 };
      case 'declare':
        return { value: this.declare(quota) };
    }
  }

  #known(quota: Quota): Quota {
    const text = `${quota.name}\n${quotaText(quota)}`;
    const known = this.#quotas.get(text);
    if (known !== undefined) return known;
    if (this.#quotas.size >= MAX_QUOTAS) this.#quotas.clear();
    this.#quotas.set(text, quota);
    return quota;
  }
}
