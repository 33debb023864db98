/**
 * Picks instances one after the other. During slow start an instance is skipped in proportion to its missing weight.
 */
import type { BalancedInstance, BalancingAlgorithm } from './algorithm.js';

/** An instance at the lowest slow-start share is due every tenth round, so more rounds are never needed. */
const MAX_ROUNDS = 10;

export class RoundRobin implements BalancingAlgorithm {
  readonly name = 'round-robin';
  #candidates: readonly BalancedInstance[] = [];
  #next = 0;
  /** Fractions of a turn that instances in slow start have accumulated. */
  readonly #credit = new Map<BalancedInstance, number>();

  update(candidates: readonly BalancedInstance[], members: readonly BalancedInstance[]): void {
    this.#candidates = candidates;
    if (this.#next >= candidates.length) this.#next = 0;
    const known = new Set(members);
    for (const instance of this.#credit.keys()) if (!known.has(instance)) this.#credit.delete(instance);
  }

  pick(now: number, _key?: string, excluded?: ReadonlySet<BalancedInstance>): BalancedInstance | undefined {
    const { length } = this.#candidates;
    for (let i = 0; i < length * MAX_ROUNDS; i++) {
      const instance = this.#candidates[this.#next]!;
      this.#next = this.#next + 1 === length ? 0 : this.#next + 1;
      if (!excluded?.has(instance) && this.#isDue(instance, now)) return instance;
    }
    return this.#candidates.find((instance) => !excluded?.has(instance));
  }

  #isDue(instance: BalancedInstance, now: number): boolean {
    const ramp = instance.ramp(now);
    if (ramp >= 1) return true;
    const credit = (this.#credit.get(instance) ?? 0) + ramp;
    this.#credit.set(instance, credit >= 1 ? credit - 1 : credit);
    return credit >= 1;
  }
}
