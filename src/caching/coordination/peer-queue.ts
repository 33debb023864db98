/** The pending messages of one peer: batched, in order, retried until the peer confirms them, bounded. */
import { Backoff } from '../../shared/backoff.js';
import { startTimer, type Clock, type Timer } from '../../shared/clock.js';
import { messageOf } from '../../shared/errors.js';
import { aboutOf, MAX_BATCH, MAX_BYTES, type CoordinationMessage } from './messages.js';
import type { PeerStatus } from './transport.js';

/** A batch, which is retried with the same bytes and the same number. */
export interface Batch {
  readonly sequence: number;
  readonly body: Buffer;
  readonly messages: readonly CoordinationMessage[];
}

export interface PeerQueueOptions {
  /** Delivers a batch. Rejects if it may not have arrived. `refused`: a retry is useless. */
  readonly deliver: (batch: Batch) => Promise<'delivered' | 'refused'>;
  /** Makes the one message that replaces more than `maxPending` messages. */
  readonly everything: () => CoordinationMessage;
  readonly maxPending: number;
  readonly clock: Clock;
}

/** Milliseconds that messages wait for further messages. */
const BATCH_DELAY = 2;
/** A peer that is reachable again receives the messages it missed within a quarter of a second. */
const FIRST_RETRY = 100;
const LAST_RETRY = 250;

export class PeerQueue {
  readonly #options: PeerQueueOptions;
  readonly #backoff = new Backoff({ initial: FIRST_RETRY, max: LAST_RETRY });
  /** By subject: the latest message about a name replaces the previous one. */
  readonly #waiting = new Map<string, CoordinationMessage>();
  /** The arrival time of the oldest message, or a later time if more messages wait than fit in a batch. */
  #waitingSince = 0;
  #batch: Batch | undefined;
  #batchSince = 0;
  #sequence = 0;
  #isDelivering = false;
  #timer: Timer | undefined;
  #isClosed = false;
  #state: PeerStatus['state'] = 'unknown';
  #delivered = 0;
  #failures = 0;
  #lastError: string | undefined;
  #idle: Array<() => void> = [];

  constructor(options: PeerQueueOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#waiting.size + (this.#batch?.messages.length ?? 0);
  }

  get status(): PeerStatus {
    return {
      state: this.#state,
      pending: this.pending,
      pendingFor: this.#pendingFor,
      delivered: this.#delivered,
      failures: this.#failures,
      lastError: this.#lastError,
    };
  }

  get #pendingFor(): number {
    if (this.pending === 0) return 0;
    return this.#options.clock.now() - (this.#batch === undefined ? this.#waitingSince : this.#batchSince);
  }

  add(message: CoordinationMessage): void {
    if (this.#isClosed) return;
    const id = aboutOf(message);
    if (this.#waiting.size === 0) this.#waitingSince = this.#options.clock.now();
    this.#waiting.delete(id);
    this.#waiting.set(id, message);
    if (this.#waiting.size > this.#options.maxPending) this.#replaceByEverything();
    this.#schedule(BATCH_DELAY);
  }

  /** Settles when nothing is pending, or the queue is closed. */
  whenIdle(): Promise<void> {
    if (this.pending === 0 || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting.clear();
    this.#batch = undefined;
    this.#settleIdle();
  }

  #replaceByEverything(): void {
    this.#waiting.clear();
    this.#waiting.set('everything', this.#options.everything());
  }

  #schedule(delay: number): void {
    if (this.#timer !== undefined || this.#isDelivering || this.#isClosed) return;
    this.#timer = startTimer(
      this.#options.clock,
      () => {
        this.#timer = undefined;
        void this.#deliver();
      },
      delay,
    );
  }

  async #deliver(): Promise<void> {
    const batch = (this.#batch ??= this.#nextBatch());
    if (batch === undefined) return;
    this.#isDelivering = true;
    let delay = BATCH_DELAY;
    try {
      const outcome = await this.#options.deliver(batch);
      this.#batch = undefined;
      if (outcome === 'refused') this.#replaceByEverything(); // better to remove too much than to lose an invalidation
      if (outcome === 'refused') throw new Error('the peer could not read a batch');
      this.#state = 'up';
      this.#delivered += batch.messages.length;
      this.#backoff.reset();
    } catch (error) {
      this.#state = 'down';
      this.#failures++;
      this.#lastError = messageOf(error);
      delay = this.#backoff.next();
    }
    this.#isDelivering = false;
    if (this.pending > 0) this.#schedule(delay);
    else this.#settleIdle();
  }

  #nextBatch(): Batch | undefined {
    const parts: string[] = [];
    const messages: CoordinationMessage[] = [];
    let bytes = 2;
    for (const [id, message] of this.#waiting) {
      const part = JSON.stringify(message);
      bytes += Buffer.byteLength(part) + 1;
      if (messages.length > 0 && (bytes > MAX_BYTES || messages.length === MAX_BATCH)) break;
      parts.push(part);
      messages.push(message);
      this.#waiting.delete(id);
    }
    if (messages.length === 0) return undefined;
    this.#batchSince = this.#waitingSince;
    return { sequence: ++this.#sequence, body: Buffer.from(`[${parts.join(',')}]`), messages };
  }

  #settleIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
