/**
 * A queue in order of arrival, whose waiters can leave from any place: a doubly linked list, so that nothing is
 * searched. It is not a Set: V8 replaces the table of a set again and again as members come and go. Each old table keeps
 * its former members, and all later tables, until a full collection.
 */

/** The place of one waiter. After it has left, it refers to no other. */
export class Waiter<T> {
  readonly value: T;
  /** The one behind it. */
  next: Waiter<T> | undefined = undefined;
  /** @internal */ previous: Waiter<T> | undefined;
  /** @internal */ isQueued = true;
  readonly #queue: WaiterQueue<T>;

  constructor(value: T, previous: Waiter<T> | undefined, queue: WaiterQueue<T>) {
    this.value = value;
    this.previous = previous;
    this.#queue = queue;
  }

  /** Leaves the queue, wherever it stands; false when it was out already. */
  leave(): boolean {
    return this.#queue.remove(this);
  }
}

export class WaiterQueue<T> {
  #first: Waiter<T> | undefined;
  #last: Waiter<T> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The longest waiter. */
  get first(): Waiter<T> | undefined {
    return this.#first;
  }

  /** Adds at the end. What it returns is the place in the queue, for `remove`. */
  push(value: T): Waiter<T> {
    const waiter = new Waiter(value, this.#last, this);
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#length++;
    return waiter;
  }

  /** Removes and returns the longest waiter. */
  shift(): T | undefined {
    const waiter = this.#first;
    if (waiter === undefined) return undefined;
    this.remove(waiter);
    return waiter.value;
  }

  /** Takes one out, wherever it stands; false when it was out already. */
  remove(waiter: Waiter<T>): boolean {
    if (!waiter.isQueued) return false;
    const { previous, next } = waiter;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    // In V8's old generation, a waiter that is gone would otherwise keep those behind it.
    waiter.next = undefined;
    waiter.previous = undefined;
    waiter.isQueued = false;
    this.#length--;
    return true;
  }

  clear(): void {
    while (this.#first !== undefined) this.remove(this.#first);
  }
}
