/** Detects that there was no progress for too long. Progress costs one clock reading. */
import { AsyncResource } from 'node:async_hooks';
import { startTimer, type Clock, type Timer } from '../../shared/clock.js';

/** How often (ms) it checks while any pause is allowed, because the limit may change. */
const LEISURE = 60_000;

/**
 * The watchdogs that wait for the usual time, linked through themselves in the order in which they began. They share one
 * timer, because nearly all requests are over before it fires. A timer of its own takes 280 bytes of each request.
 */
export class WatchQueue {
  readonly clock: Clock;
  /** Milliseconds. */
  readonly delay: number;
  #first: Watchdog | undefined;
  #last: Watchdog | undefined;
  #timer: Timer | undefined;
  /** The timer belongs to no request, although the first request starts it. */
  readonly #outside = new AsyncResource('WatchQueue', { requireManualDestroy: true });

  /** @param limit the usual limit on the silence, in milliseconds */
  constructor(clock: Clock, limit: number) {
    this.clock = clock;
    this.delay = Math.min(limit, LEISURE);
  }

  add(watchdog: Watchdog): void {
    watchdog.due = this.clock.now() + this.delay;
    watchdog.previous = this.#last;
    if (this.#last === undefined) this.#first = watchdog;
    else this.#last.next = watchdog;
    this.#last = watchdog;
    if (this.#first === watchdog) this.#fireAfter(this.delay);
  }

  /** Removes a watchdog, wherever it stands. Does nothing if it is not in the queue. */
  remove(watchdog: Watchdog): void {
    if (watchdog.due === undefined) return;
    const { previous, next } = watchdog;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    // In V8's old generation, a request that is over would otherwise keep those behind it.
    watchdog.next = undefined;
    watchdog.previous = undefined;
    watchdog.due = undefined;
    if (this.#first === undefined) this.#timer?.cancel();
  }

  #fireAfter(delay: number): void {
    this.#timer = this.#outside.runInAsyncScope(startTimer, undefined, this.clock, this.#fire, delay);
  }

  readonly #fire = (): void => {
    const now = this.clock.now();
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (first.due! > now) return this.#fireAfter(first.due! - now);
      this.remove(first);
      first.check();
    }
  };
}

/** A base class and not a part, so that a forwarded request has one object less. */
export abstract class Watchdog {
  /** @internal When it checks, while it is in the queue. */
  due: number | undefined = undefined;
  /** @internal */
  next: Watchdog | undefined = undefined;
  /** @internal */
  previous: Watchdog | undefined = undefined;
  readonly #queue: WatchQueue;
  #limit: number;
  #lastProgress = 0;
  /** For a wait that is not the usual one. */
  #timer: Timer | undefined = undefined;
  #isStopped = false;

  /** @param limit milliseconds of silence that are allowed; Infinity: no limit */
  constructor(queue: WatchQueue, limit: number) {
    this.#queue = queue;
    this.#limit = limit;
  }

  /** There was progress: neither side hangs. */
  progressed(): void {
    this.#lastProgress = this.#queue.clock.now();
  }

  /** @internal Called when its time in the queue is over. */
  check(): void {
    this.#wait(this.#lastProgress + this.#limit - this.#queue.clock.now());
  }

  /** There was no progress for as long as the limit allows. The watchdog then rests until `startWatching`. */
  protected abstract onSilence(): void;

  /** Begins to watch, or begins anew. Nothing happens once it was stopped. */
  protected startWatching(): void {
    this.progressed();
    this.#wait(this.#limit);
  }

  /** Sets the allowed silence from now on. */
  protected limitSilence(limit: number): void {
    const isShorter = limit < this.#limit;
    this.#limit = limit;
    if (isShorter) this.startWatching();
    else this.progressed();
  }

  /** For good: what its silence leads to may end the exchange, and whoever called that must not start it again. */
  protected stopWatching(): void {
    this.#isStopped = true;
    this.#rest();
  }

  #wait(limit: number): void {
    if (this.#isStopped) return;
    this.#rest();
    const delay = Math.min(limit, LEISURE);
    if (delay <= 0) this.onSilence();
    else if (delay === this.#queue.delay) this.#queue.add(this);
    else this.#timer = startTimer(this.#queue.clock, () => this.check(), delay);
  }

  #rest(): void {
    this.#queue.remove(this);
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
