/** The attempts of one exchange that are under way: mostly one, two while another instance is asked as well. */
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

  add(attempt: Attempt): void {
    this.#attempts.push(attempt);
    attempt.wait = this.#waiting.add(attempt.route.instance, this.#request);
  }

  remove(attempt: Attempt): void {
    const index = this.#attempts.indexOf(attempt);
    if (index === -1) return;
    this.#attempts.splice(index, 1);
    if (attempt.wait !== undefined) this.#waiting.remove(attempt.wait);
    attempt.wait = undefined;
  }

  /** Every instance that was asked has the whole body. */
  uploaded(): void {
    for (const { route } of this.#attempts) route.uploaded();
  }

  /** None of them has answered in time: that is their failure. */
  timeOut(): void {
    for (const { route } of this.#attempts) route.failed();
  }

  /** Gives up all but this one, which is under way no longer but answered. */
  cancelExcept(answered?: Attempt): void {
    for (const attempt of [...this.#attempts]) {
      this.remove(attempt);
      if (attempt !== answered) attempt.cancel();
    }
  }
}
