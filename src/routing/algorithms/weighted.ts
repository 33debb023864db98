/**
 * Smooth weighted round robin. Each instance is due every 1/weight units of virtual time, and the earliest is picked.
 * Picks of heavy instances are therefore spread between those of light ones instead of coming in a row. O(log n); the
 * algorithm of nginx is O(n).
 */
import { IndexedHeap, type HeapMember } from '../indexed-heap.js';
import { cheapest, type BalancedInstance, type BalancingAlgorithm } from './algorithm.js';

interface Entry extends HeapMember {
  readonly instance: BalancedInstance;
  /** Breaks ties, so that equal instances follow the order in which they were added. */
  readonly order: number;
  weight: number;
  due: number;
}

const isBefore = (a: Entry, b: Entry): boolean => a.due < b.due || (a.due === b.due && a.order < b.order);

export class SmoothWeighted implements BalancingAlgorithm {
  readonly name = 'weighted';
  readonly #heap = new IndexedHeap<Entry>(isBefore);
  #entries = new Map<BalancedInstance, Entry>();
  #virtualTime = 0;

  update(candidates: readonly BalancedInstance[]): void {
    const previous = this.#entries;
    this.#entries = new Map();
    candidates.forEach((instance, order) => {
      const weight = previous.get(instance)?.weight ?? instance.weight(Infinity);
      // A new instance is due after half its period. If it were due at once, all new instances would be picked in a
      // row.
      const due = previous.get(instance)?.due ?? this.#virtualTime + 0.5 / weight;
      this.#entries.set(instance, { instance, order, weight, due, heapPlace: 0 });
    });
    this.#heap.fill(this.#entries.values());
  }

  pick(now: number, _key?: string, excluded?: ReadonlySet<BalancedInstance>): BalancedInstance | undefined {
    const first = this.#heap.peek();
    const entry =
      first !== undefined && excluded?.has(first.instance)
        ? this.#entries.get(cheapest(this.#entries.keys(), (one) => this.#entries.get(one)!.due, excluded)!)
        : first;
    if (entry === undefined) return undefined;
    this.#virtualTime = Math.max(this.#virtualTime, entry.due);
    entry.weight = entry.instance.weight(now);
    entry.due += 1 / entry.weight;
    this.#heap.update(entry);
    return entry.instance;
  }
}
