/**
 * Picks the instance with the fewest requests in flight relative to its weight. Equal instances take turns. O(log n).
 */
import { IndexedHeap, type HeapMember } from '../indexed-heap.js';
import { cheapest, type BalancedInstance, type BalancingAlgorithm } from './algorithm.js';

interface Entry extends HeapMember {
  readonly instance: BalancedInstance;
  load: number;
  turn: number;
}

const isBefore = (a: Entry, b: Entry): boolean => a.load < b.load || (a.load === b.load && a.turn < b.turn);

export class LeastConnections implements BalancingAlgorithm {
  readonly name = 'least-connections';
  readonly #heap = new IndexedHeap<Entry>(isBefore);
  #entries = new Map<BalancedInstance, Entry>();
  #turn = 0;
  #now = 0;

  update(candidates: readonly BalancedInstance[]): void {
    const previous = this.#entries;
    this.#entries = new Map();
    for (const instance of candidates) {
      const turn = previous.get(instance)?.turn ?? 0;
      this.#entries.set(instance, { instance, load: loadOf(instance, this.#now), turn, heapPlace: 0 });
    }
    this.#heap.fill(this.#entries.values());
  }

  changed(instance: BalancedInstance): void {
    const entry = this.#entries.get(instance);
    if (entry === undefined) return;
    entry.load = loadOf(instance, this.#now);
    this.#heap.update(entry);
  }

  pick(now: number, _key?: string, excluded?: ReadonlySet<BalancedInstance>): BalancedInstance | undefined {
    this.#now = now;
    const first = this.#heap.peek();
    const entry =
      first !== undefined && excluded?.has(first.instance)
        ? this.#entries.get(cheapest(this.#entries.keys(), (instance) => loadOf(instance, now), excluded)!)
        : first;
    if (entry === undefined) return undefined;
    entry.turn = ++this.#turn;
    entry.load = loadOf(entry.instance, now); // its weight may have grown since then
    this.#heap.update(entry);
    return entry.instance;
  }
}

function loadOf(instance: BalancedInstance, now: number): number {
  return (instance.inFlight + 1) / instance.weight(now);
}
