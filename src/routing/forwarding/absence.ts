/** Requests that wait for an instance of their service to come: there is none at all, and one is expected. */
import { startInterval, startTimer, type Clock, type Timer } from '../../shared/clock.js';

/** Milliseconds between tries of one that waits: an open breaker lets one through again without telling anybody. */
const RETRY_INTERVAL = 250;

/** The waits of one service's requests. */
export class Absentees {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #waiting = new Set<Absence>();
  #retries: Timer | undefined;

  /** @param max how many may wait; more are refused at once */
  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  /** False when too many wait already. */
  add(absence: Absence): boolean {
    if (this.#waiting.size >= this.#max) return false;
    this.#waiting.add(absence);
    this.#retries ??= startInterval(this.#clock, () => this.#tryOne(), RETRY_INTERVAL);
    return true;
  }

  remove(absence: Absence): void {
    this.#waiting.delete(absence);
    if (this.#waiting.size > 0) return;
    this.#retries?.cancel();
    this.#retries = undefined;
  }

  /** Lets all of them try, the one that has waited longest first. */
  targetCame(): void {
    for (const absence of [...this.#waiting]) absence.over();
  }

  #tryOne(): void {
    const [first] = this.#waiting;
    first?.over();
  }
}

export interface AbsenceOptions {
  readonly absentees: Absentees;
  readonly clock: Clock;
  /** Milliseconds, over all waits of the request. */
  readonly targetTimeout: number;
  /** An instance came. */
  readonly onTarget: () => void;
  /** None came in time. */
  readonly onTimeout: () => void;
}

/** One request's wait, which may be taken up again when the instance that came was gone at once. */
export class Absence {
  readonly #options: AbsenceOptions;
  readonly #ends: number;
  #timer: Timer | undefined;

  constructor(options: AbsenceOptions) {
    this.#options = options;
    this.#ends = options.clock.now() + options.targetTimeout;
  }

  /** Waits; false when there is no time left, or no room. */
  begin(): boolean {
    const { absentees, clock, onTimeout } = this.#options;
    const left = this.#ends - clock.now();
    if (left <= 0 || !absentees.add(this)) return false;
    this.#timer = startTimer(clock, () => this.#end(onTimeout), left);
    return true;
  }

  /** An instance has come. */
  over(): void {
    this.#end(this.#options.onTarget);
  }

  /** The request is answered, or its client gone. */
  cancel(): void {
    this.#timer?.cancel();
    this.#options.absentees.remove(this);
  }

  #end(then: () => void): void {
    this.cancel();
    then();
  }
}
