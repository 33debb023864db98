/** A binary heap whose members can change their position: O(log n) to move one, O(n) to fill the heap. */

/** A member stores its own position, so that finding it costs nothing. */
export interface HeapMember {
  heapPlace: number;
}

export class IndexedHeap<T extends HeapMember> {
  readonly #isBefore: (a: T, b: T) => boolean;
  #items: T[] = [];

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  /** The first member, without removing it. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Replaces all members. */
  fill(items: Iterable<T>): void {
    this.#items = [...items];
    this.#items.forEach((item, place) => (item.heapPlace = place));
    for (let place = (this.#items.length >> 1) - 1; place >= 0; place--) this.#sink(place);
  }

  /** Moves a member whose rank changed to its new position. */
  update(item: T): void {
    this.#rise(item.heapPlace);
    this.#sink(item.heapPlace);
  }

  #rise(from: number): void {
    const item = this.#items[from]!;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#isBefore(item, this.#items[parent]!)) break;
      this.#put(this.#items[parent]!, place);
      place = parent;
    }
    this.#put(item, place);
  }

  #sink(from: number): void {
    const item = this.#items[from]!;
    const length = this.#items.length;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#isBefore(this.#items[child + 1]!, this.#items[child]!)) child++;
      if (!this.#isBefore(this.#items[child]!, item)) break;
      this.#put(this.#items[child]!, place);
      place = child;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.heapPlace = place;
  }
}
