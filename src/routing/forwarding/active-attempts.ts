/**
 * The attempts of one exchange that are in progress: usually one, two while a hedged request runs. They are linked
 * through themselves, because V8 gives an array room for 17 members when the first one is added.
 */
import type { Attempt } from './attempt.js';
import type { WaitingRequests } from './waiting-requests.js';

export class ActiveAttempts {
  readonly #waiting: WaitingRequests;
  #newest: Attempt | undefined = undefined;
  #count = 0;

  constructor(waiting: WaitingRequests) {
    this.#waiting = waiting;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether any attempt was handed to a connection. The others wait in the queue of this proxy. */
  get wasAnyDispatched(): boolean {
    return this.#list().some((attempt) => attempt.wasDispatched);
  }

  add(attempt: Attempt): void {
    attempt.older = this.#newest;
    this.#newest = attempt;
    this.#count++;
    this.#waiting.add(attempt.route.instance, attempt);
  }

  remove(attempt: Attempt): void {
    if (!this.#unlink(attempt)) return;
    this.#count--;
    this.#waiting.remove(attempt.route.instance, attempt);
  }

  /** Every instance that was tried has the whole body. */
  uploaded(): void {
    for (const attempt of this.#list()) if (attempt.wasDispatched) attempt.route.waiting();
  }

  /**
   * No instance responded in time. This is a failure of the instances that received the request, and not of one for
   * which it is still queued here.
   */
  timeOut(): void {
    for (const attempt of this.#list()) if (attempt.wasDispatched) attempt.route.failed();
  }

  /** Cancels all attempts but this one, which is no longer in progress because it has a response. */
  cancelExcept(answered?: Attempt): void {
    for (let attempt = this.#newest; attempt !== undefined; attempt = this.#newest) {
      this.remove(attempt);
      if (attempt !== answered) attempt.cancel();
    }
  }

  #list(): Attempt[] {
    const all: Attempt[] = [];
    for (let attempt = this.#newest; attempt !== undefined; attempt = attempt.older) all.push(attempt);
    return all;
  }

  /** Returns false if the attempt is not in the list. */
  #unlink(attempt: Attempt): boolean {
    let newer: Attempt | undefined;
    let one = this.#newest;
    while (one !== undefined && one !== attempt) {
      newer = one;
      one = one.older;
    }
    if (one === undefined) return false;
    if (newer === undefined) this.#newest = attempt.older;
    else newer.older = attempt.older;
    attempt.older = undefined;
    return true;
  }
}
