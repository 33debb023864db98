/** Requests that wait for an instance of their service, because every instance was tried or there is no instance. */
import { startInterval, startTimer, type Clock, type Timer } from '../../shared/clock.js';

/** Milliseconds between the tries of a waiting request. A recovered instance is noticed by trying it. */
const RETRY_INTERVAL = 250;

/** The waiting requests of a proxy, the longest wait first. */
export class TargetWaits {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #targetTimeout: number;
  readonly #waits = new Set<TargetWait>();
  #retries: Timer | undefined;

  /**
   * @param max the most requests that may wait; more are rejected at once
   * @param targetTimeout milliseconds a request waits, over all its waits
   */
  constructor(max: number, clock: Clock, targetTimeout: number) {
    this.#max = max;
    this.#clock = clock;
    this.#targetTimeout = targetTimeout;
  }

  /** Whether a request may wait at all. */
  get areAllowed(): boolean {
    return this.#targetTimeout > 0;
  }

  /** A wait for a request to this service, not started yet. */
  create(service: string, listeners: TargetWaitListeners): TargetWait {
    return new TargetWait({
      ...listeners,
      service,
      waits: this,
      clock: this.#clock,
      targetTimeout: this.#targetTimeout,
    });
  }

  get size(): number {
    return this.#waits.size;
  }

  /** Returns false if too many requests wait already. */
  add(wait: TargetWait): boolean {
    if (this.#waits.size >= this.#max) return false;
    this.#waits.add(wait);
    this.#retries ??= startInterval(this.#clock, () => this.#tryOne(), RETRY_INTERVAL);
    return true;
  }

  remove(wait: TargetWait): void {
    this.#waits.delete(wait);
    if (this.#waits.size > 0) return;
    this.#retries?.cancel();
    this.#retries = undefined;
  }

  /** Lets the requests of a service try again, the one that has waited longest first. */
  targetCame(service: string): void {
    for (const wait of [...this.#waits]) if (wait.service === service) wait.over();
  }

  #tryOne(): void {
    const [first] = this.#waits;
    first?.over();
  }
}

export interface TargetWaitListeners {
  /** An instance became available. */
  readonly onTarget: () => void;
  /** No instance became available in time. */
  readonly onTimeout: () => void;
}

interface TargetWaitOptions extends TargetWaitListeners {
  readonly service: string;
  readonly waits: TargetWaits;
  readonly clock: Clock;
  /** Milliseconds, over all waits of the request. */
  readonly targetTimeout: number;
}

/** The wait of one request. It can be resumed if the instance becomes unavailable again at once. */
export class TargetWait {
  readonly #options: TargetWaitOptions;
  readonly #ends: number;
  #timer: Timer | undefined;

  constructor(options: TargetWaitOptions) {
    this.#options = options;
    this.#ends = options.clock.now() + options.targetTimeout;
  }

  get service(): string {
    return this.#options.service;
  }

  /** Starts to wait. Returns false if there is no time or no room left. */
  begin(): boolean {
    const { waits, clock, onTimeout } = this.#options;
    const left = this.#ends - clock.now();
    if (left <= 0 || !waits.add(this)) return false;
    this.#timer = startTimer(clock, () => this.#end(onTimeout), left);
    return true;
  }

  /** An instance became available. */
  over(): void {
    this.#end(this.#options.onTarget);
  }

  /** The request has a response, or its client disconnected. */
  cancel(): void {
    this.#timer?.cancel();
    this.#options.waits.remove(this);
  }

  #end(then: () => void): void {
    this.cancel();
    then();
  }
}
