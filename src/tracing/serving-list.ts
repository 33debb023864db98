/**
 * The requests being served, linked through themselves: entering and leaving costs a few assignments, where a Set
 * hashes every request twice.
 */
import type { RequestTrace } from './request-trace.js';

export class ServingList {
  #first: RequestTrace | undefined = undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(request: RequestTrace): void {
    request.next = this.#first;
    if (this.#first !== undefined) this.#first.previous = request;
    this.#first = request;
    this.#size++;
  }

  /** Takes out a request that is in the list. */
  delete(request: RequestTrace): void {
    const { next, previous } = request;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    request.next = undefined;
    request.previous = undefined;
    this.#size--;
  }

  /** The request of a trace; of several the latest. */
  find(traceId: string): RequestTrace | undefined {
    for (let request = this.#first; request !== undefined; request = request.next) {
      if (request.traceId === traceId) return request;
    }
    return undefined;
  }
}
