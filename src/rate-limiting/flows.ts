/**
 * The order of turns: deficit round robin (Shreedhar and Varghese, 1995). Each flow in turn may spend one quantum and
 * what it saved, so a flow's share does not depend on how many it has waiting or how large they are.
 */

/** Something that waits in a flow and costs. */
export interface Queued {
  readonly flow: string;
  readonly cost: number;
}

interface Flow<T> {
  readonly name: string;
  readonly items: T[];
  /** What it may still spend in this turn. */
  credit: number;
  /** Whether this turn's quantum has been credited. */
  inTurn: boolean;
}

export class Flows<T extends Queued> {
  readonly #flows = new Map<string, Flow<T>>();
  readonly #ring: Flow<T>[] = [];
  #turn = 0;
  #quantum = 0; // the largest cost waiting: then every turn serves at least one
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Flows that have something waiting. */
  get active(): number {
    return this.#ring.length;
  }

  has(flow: string): boolean {
    return this.#flows.has(flow);
  }

  add(item: T): void {
    let flow = this.#flows.get(item.flow);
    if (flow === undefined) {
      flow = { name: item.flow, items: [], credit: 0, inTurn: false };
      this.#flows.set(item.flow, flow);
      this.#ring.push(flow);
    }
    flow.items.push(item);
    this.#size++;
    this.#quantum = Math.max(this.#quantum, item.cost);
  }

  /** The first item of the flow in turn, which is credited for the turn. */
  head(): T | undefined {
    const flow = this.#ring[this.#turn];
    if (flow === undefined) return undefined;
    if (!flow.inTurn) {
      flow.inTurn = true;
      flow.credit += this.#quantum;
    }
    return flow.items[0];
  }

  /** Passes the turn on without serving: the flow keeps its credit for when it can spend it, but earns no more. */
  skip(): void {
    this.#advance();
  }

  /** Removes an item that was served and charges its flow, which keeps the turn while it can pay for its next. */
  served(item: T): void {
    const flow = this.#flows.get(item.flow);
    if (flow === undefined || !this.#take(flow, item)) return;
    flow.credit -= item.cost;
    if (flow.items.length > 0 && flow.items[0]!.cost > flow.credit) {
      flow.inTurn = false;
      if (this.#ring[this.#turn] === flow) this.#advance();
    }
  }

  /** Removes an item that gave up. Returns false if it no longer waited. */
  remove(item: T): boolean {
    const flow = this.#flows.get(item.flow);
    return flow !== undefined && this.#take(flow, item);
  }

  /** The newest item of the longest flow, where that is longer than `flow` would be with one more. */
  newestOfLongest(flow: string): T | undefined {
    let longest: Flow<T> | undefined;
    for (const other of this.#ring) {
      if (longest === undefined || other.items.length > longest.items.length) longest = other;
    }
    const own = (this.#flows.get(flow)?.items.length ?? 0) + 1;
    return longest !== undefined && longest.items.length > own ? longest.items.at(-1) : undefined;
  }

  *all(): Iterable<T> {
    for (const flow of this.#ring) yield* flow.items;
  }

  #advance(): void {
    this.#turn = this.#turn + 1 >= this.#ring.length ? 0 : this.#turn + 1;
  }

  #take(flow: Flow<T>, item: T): boolean {
    const at = flow.items[0] === item ? 0 : flow.items.indexOf(item);
    if (at === -1) return false;
    if (at === 0) flow.items.shift();
    else flow.items.splice(at, 1);
    this.#size--;
    if (flow.items.length === 0) this.#retire(flow);
    if (this.#size === 0) this.#quantum = 0;
    return true;
  }

  /** An empty flow loses its credit, so that no flow saves credit while it has nothing waiting. */
  #retire(flow: Flow<T>): void {
    const at = this.#ring.indexOf(flow);
    this.#ring.splice(at, 1);
    this.#flows.delete(flow.name);
    if (at < this.#turn) this.#turn--;
    if (this.#turn >= this.#ring.length) this.#turn = 0;
  }
}
