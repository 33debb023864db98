/**
 * Spans on their way out: batched, sent one batch at a time, tried again, and past a bound dropped and counted. A
 * destination that is slow or gone costs memory within that bound, and no request anything.
 */
import { Backoff } from '../shared/backoff.js';
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { clock, count, number, type OptionChecks } from '../shared/options.js';
import { runUntraced } from './context.js';
import type { SpanExporter } from './exporter.js';
import type { SpanRecord } from './span.js';

export interface SpanQueueOptions {
  /** Spans a batch; 512 by default. */
  batchSize?: number;
  /** Spans waiting; 2048 by default. Past it the oldest are dropped and counted. */
  queueSize?: number;
  /** Milliseconds between batches while fewer than a whole one wait; 5000 by default. */
  interval?: number;
  /** Tells the time and waits. Default `monotonicClock`. */
  clock?: Clock;
}

/** Counts of spans since the start; `queued` is now. */
export interface SpanQueueStats extends Readonly<Record<string, number>> {
  readonly queued: number;
  readonly sent: number;
  /** For want of room, after too many attempts, or refused by the destination. */
  readonly dropped: number;
  readonly retries: number;
}

/** What became of an attempt. */
export type Outcome =
  | { readonly kind: 'sent'; readonly rejected: number }
  | { readonly kind: 'refused' }
  /** `after`: milliseconds the destination asks to wait, at least. */
  | { readonly kind: 'retry'; readonly after: number | undefined };

/** Makes of a batch what one attempt after the other sends. An attempt never rejects. */
export type PrepareBatch = (batch: readonly SpanRecord[]) => () => Promise<Outcome>;

export const QUEUE_CHECKS: OptionChecks<SpanQueueOptions> = {
  batchSize: count(),
  queueSize: count(),
  interval: number({ min: 1 }),
  clock,
};

const DEFAULTS = { batchSize: 512, queueSize: 2048, interval: 5000 };
const MAX_ATTEMPTS = 5;
const BACKOFF = { initial: 1000, max: 30_000 };

/** What an exporter is made of that has a destination to send batches to. */
export class SpanQueue implements SpanExporter, AsyncDisposable {
  readonly #options: SpanQueueOptions & typeof DEFAULTS;
  readonly #clock: Clock;
  readonly #prepare: PrepareBatch;
  readonly #backoff = new Backoff(BACKOFF);
  readonly #stop = new AbortController();
  #waiting: SpanRecord[] = [];
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #sent = 0;
  #dropped = 0;
  #retries = 0;

  /** @param options checked already */
  constructor(options: SpanQueueOptions, prepare: PrepareBatch) {
    this.#options = { ...DEFAULTS, ...options };
    this.#clock = options.clock ?? monotonicClock;
    this.#prepare = prepare;
  }

  export(spans: readonly SpanRecord[]): void {
    if (this.#isClosed) {
      this.#dropped += spans.length;
      return;
    }
    for (const span of spans) this.#waiting.push(span);
    this.#shed();
    if (this.#sending !== undefined) return; // looks at the queue again when it is done
    if (this.#waiting.length >= this.#options.batchSize) this.#sendSoon(0);
    else if (this.#timer === undefined) this.#sendSoon(this.#options.interval);
  }

  stats(): SpanQueueStats {
    return { queued: this.#waiting.length, sent: this.#sent, dropped: this.#dropped, retries: this.#retries };
  }

  /** Sends what waits now, with the attempts that takes. */
  async flush(): Promise<void> {
    while (this.#sending !== undefined || this.#waiting.length > 0) await runUntraced(() => this.#sendBatch());
  }

  /** Sends what waits, in one attempt, and takes no more. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#stop.abort(); // a wait for another attempt ends now, with a last one
    await this.flush();
  }

  #shed(): void {
    const surplus = this.#waiting.length - this.#options.queueSize;
    if (surplus <= 0) return;
    this.#waiting.splice(0, surplus);
    this.#dropped += surplus;
  }

  /** Outside of any trace: the export is no part of the request whose span filled the batch, nor a trace of its own. */
  #sendSoon(delay: number): void {
    this.#timer?.cancel();
    this.#timer = runUntraced(() => startTimer(this.#clock, () => void this.#sendBatch(), delay));
  }

  #sendBatch(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#sending ??= this.#deliver().finally(() => {
      this.#sending = undefined;
      if (this.#isClosed || this.#waiting.length === 0) return;
      this.#sendSoon(this.#waiting.length >= this.#options.batchSize ? 0 : this.#options.interval);
    });
    return this.#sending;
  }

  /** One batch, until it is sent or given up. Never rejects. */
  async #deliver(): Promise<void> {
    const batch = this.#waiting.splice(0, this.#options.batchSize);
    if (batch.length === 0) return;
    const send = this.#prepare(batch);
    for (let attempt = 1; ; attempt++) {
      const outcome = await send();
      if (outcome.kind === 'sent') {
        this.#sent += batch.length - outcome.rejected;
        this.#dropped += outcome.rejected;
        this.#backoff.reset();
        return;
      }
      if (outcome.kind === 'refused' || attempt === MAX_ATTEMPTS || this.#isClosed) break;
      this.#retries++;
      const delay = this.#backoff.next();
      await this.#wait(Math.max(delay, outcome.after ?? 0));
    }
    this.#dropped += batch.length;
  }

  #wait(delay: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#stop;
      if (signal.aborted) return resolve();
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = startTimer(this.#clock, done, delay);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
