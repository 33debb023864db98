/**
 * Picks by the key of the request. A key keeps its instance when other instances are added or removed. With `ip-hash`
 * the key decides alone. With `consistent-hash` the load is bounded: an instance with more than 1.25 times its share of
 * the requests in flight is skipped.
 */
import { HashRing, type RingMember } from '../hash-ring.js';
import type { BalancedInstance, BalancingAlgorithm } from './algorithm.js';
import { LeastConnections } from './least-connections.js';

/** How far above its share of the requests in flight an instance may go. */
const LOAD_BOUND = 1.25;

interface Member extends RingMember {
  readonly instance: BalancedInstance;
}

export class KeyHash implements BalancingAlgorithm {
  readonly name: string;
  readonly #loadBound: number;
  #ring: HashRing<Member> = new HashRing<Member>([]);
  #members: readonly BalancedInstance[] = [];
  #shares: readonly number[] = [];
  /** Used for requests without a key. */
  readonly #keyless = new LeastConnections();
  #candidateWeight = 0;
  #inFlight = 0;
  #counted = new Map<BalancedInstance, number>();

  constructor(name: string, loadBound = Infinity) {
    this.name = name;
    this.#loadBound = loadBound;
  }

  update(candidates: readonly BalancedInstance[], members: readonly BalancedInstance[]): void {
    this.#keyless.update(candidates);
    this.#candidateWeight = candidates.reduce((sum, instance) => sum + instance.weight(Infinity), 0);
    this.#counted = new Map(members.map((instance) => [instance, instance.inFlight]));
    this.#inFlight = members.reduce((sum, instance) => sum + instance.inFlight, 0);
    const shares = members.map((instance) => instance.weight(Infinity));
    if (sameItems(members, this.#members) && sameItems(shares, this.#shares)) return;
    this.#members = members;
    this.#shares = shares;
    this.#ring = new HashRing(members.map((instance, i) => ({ id: instance.id, share: shares[i]!, instance })));
  }

  changed(instance: BalancedInstance): void {
    this.#keyless.changed(instance);
    const counted = this.#counted.get(instance);
    if (counted === undefined) return;
    this.#inFlight += instance.inFlight - counted;
    this.#counted.set(instance, instance.inFlight);
  }

  pick(now: number, key?: string, excluded?: ReadonlySet<BalancedInstance>): BalancedInstance | undefined {
    if (key === undefined) return this.#keyless.pick(now, key, excluded);
    const isAllowed = ({ instance }: Member): boolean => instance.isCandidate && !excluded?.has(instance);
    const within = this.#ring.find(key, (member) => isAllowed(member) && this.#hasRoom(member.instance));
    return (within ?? this.#ring.find(key, isAllowed))?.instance;
  }

  #hasRoom(instance: BalancedInstance): boolean {
    if (this.#loadBound === Infinity) return true;
    const share = instance.weight(Infinity) / this.#candidateWeight;
    return instance.inFlight + 1 <= Math.ceil(this.#loadBound * share * (this.#inFlight + 1));
  }
}

export function ipHash(): BalancingAlgorithm {
  return new KeyHash('ip-hash');
}

export function consistentHash(): BalancingAlgorithm {
  return new KeyHash('consistent-hash', LOAD_BOUND);
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
