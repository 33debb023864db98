/**
 * A queue in order of arrival, whose waiters can leave from any place: a doubly linked list, so that nothing is
 * searched.
 */

export interface Waiter<T> {
  readonly value: T;
  next: Waiter<T> | undefined;
  /** @internal */ previous: Waiter<T> | undefined;
  /** @internal */ isQueued: boolean;
}

export class WaiterQueue<T> {
  #first: Waiter<T> | undefined;
  #last: Waiter<T> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The longest waiter. Its `next` is the one behind it, and stays set after the waiter is removed. */
  get first(): Waiter<T> | undefined {
    return this.#first;
  }

  /** Adds at the end. What it returns is the place in the queue, for `remove`. */
  push(value: T): Waiter<T> {
    const waiter: Waiter<T> = { value, next: undefined, previous: this.#last, isQueued: true };
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
    waiter.isQueued = false;
    if (waiter.previous === undefined) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    this.#length--;
    return true;
  }
}
