/** The attempts of one exchange that are in progress: usually one, two while a hedged request runs. */
import type { Attempt } from './attempt.js';
import type { WaitingRequest, WaitingRequests } from './waiting-requests.js';

export class ActiveAttempts {
  readonly #waiting: WaitingRequests;
  readonly #request: WaitingRequest;
  readonly #attempts: Attempt[] = [];

  constructor(waiting: WaitingRequests, request: WaitingRequest) {
    this.#waiting = waiting;
    this.#request = request;
  }

  get count(): number {
    return this.#attempts.length;
  }

  /** Whether any attempt was handed to a connection. The others wait in the queue of this proxy. */
  get wasAnyDispatched(): boolean {
    return this.#attempts.some((attempt) => attempt.wasDispatched);
  }

  add(attempt: Attempt): void {
    this.#attempts.push(attempt);
    attempt.wait = this.#waiting.add(attempt.route.instance, this.#request);
  }

  remove(attempt: Attempt): void {
    const index = this.#attempts.indexOf(attempt);
    if (index === -1) return;
    const last = this.#attempts.pop()!; // their order has no meaning
    if (last !== attempt) this.#attempts[index] = last;
    if (attempt.wait !== undefined) this.#waiting.remove(attempt.wait);
    attempt.wait = undefined;
  }

  /** Every instance that was tried has the whole body. */
  uploaded(): void {
    for (const attempt of this.#attempts) if (attempt.wasDispatched) attempt.route.waiting();
  }

  /**
   * No instance responded in time. This is a failure of the instances that received the request, and not of one for
   * which it is still queued here.
   */
  timeOut(): void {
    for (const attempt of this.#attempts) if (attempt.wasDispatched) attempt.route.failed();
  }

  /** Cancels all attempts but this one, which is no longer in progress because it has a response. */
  cancelExcept(answered?: Attempt): void {
    for (const attempt of [...this.#attempts]) {
      this.remove(attempt);
      if (attempt !== answered) attempt.cancel();
    }
  }
}
