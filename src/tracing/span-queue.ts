/**
 * The queue of spans to export: batched, sent one batch at a time, and retried. Spans beyond a limit are dropped and
 * counted. A slow or unavailable destination costs memory up to that limit, and does not delay any request.
 */
import { Backoff } from '../shared/backoff.js';
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import { clock, count, number, type OptionChecks } from '../shared/options.js';
import { runUntraced } from './context.js';
import { isId } from './ids.js';
import type { SpanExporter } from './exporter.js';
import type { SpanRecord } from './span.js';

export interface SpanQueueOptions {
  /** The most spans per batch; default 512. */
  batchSize?: number;
  /** The most spans waiting; default 2048. Beyond it the oldest are dropped and counted. */
  queueSize?: number;
  /** Milliseconds between batches while less than a whole batch waits; default 5000. */
  interval?: number;
  /**
   * Milliseconds that closing may take in total. Default 5000. Spans that are still queued then are dropped and
   * counted.
   */
  closeTimeout?: number;
  /** The clock for times and waits. Default `monotonicClock`. */
  clock?: Clock;
}

/** The name of the exporter in the warning. */
interface NamedQueueOptions extends SpanQueueOptions {
  readonly name?: string;
}

/** Counts of spans since the start; `queued` is the current number. */
export interface SpanQueueStats extends Readonly<Record<string, number>> {
  readonly queued: number;
  readonly sent: number;
  /** Dropped because the queue was full, after too many attempts, or because the destination refused them. */
  readonly dropped: number;
  readonly retries: number;
}

/** The result of an attempt. */
export type Outcome =
  | { readonly kind: 'sent'; readonly rejected: number }
  | { readonly kind: 'refused'; readonly reason?: string }
  /** `after`: milliseconds the destination asks to wait, at least. */
  | { readonly kind: 'retry'; readonly after: number | undefined };

/**
 * Creates a function that makes one attempt after the other to send a batch. An attempt ends when the signal aborts,
 * because the time to close is over.
 */
export type PrepareBatch = (batch: readonly SpanRecord[]) => (closing: AbortSignal) => Promise<Outcome>;

export const QUEUE_CHECKS: OptionChecks<SpanQueueOptions> = {
  batchSize: count(),
  queueSize: count(),
  interval: number({ min: 1 }),
  closeTimeout: number({ min: 0 }),
  clock,
};

const DEFAULTS = { batchSize: 512, queueSize: 2048, interval: 5000, closeTimeout: 5000, name: 'span exporter' };
const MAX_ATTEMPTS = 5;
const BACKOFF = { initial: 1000, max: 30_000 };

function refusedBy(error: unknown): Outcome {
  return { kind: 'refused', reason: messageOf(error) };
}

/** The queue of an exporter that sends batches to a destination. */
export class SpanQueue implements SpanExporter, AsyncDisposable {
  readonly #options: NamedQueueOptions & typeof DEFAULTS;
  readonly #clock: Clock;
  readonly #prepare: PrepareBatch;
  readonly #backoff = new Backoff(BACKOFF);
  readonly #stop = new AbortController();
  /** The time to close is over. */
  readonly #giveUp = new AbortController();
  #hasWarned = false;
  #waiting: SpanRecord[] = [];
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #sent = 0;
  #dropped = 0;
  #retries = 0;

  /** @param options checked already */
  constructor(options: NamedQueueOptions, prepare: PrepareBatch) {
    this.#options = { ...DEFAULTS, ...options };
    this.#clock = options.clock ?? monotonicClock;
    this.#prepare = prepare;
  }

  export(spans: readonly SpanRecord[]): void {
    if (this.#isClosed) {
      this.#dropped += spans.length;
      return;
    }
    // An invalid id would make the collector refuse the whole batch.
    for (const span of spans) {
      if (isId(span.traceId, 32) && isId(span.spanId, 16)) this.#waiting.push(span);
      else this.#dropped++;
    }
    this.#shed();
    if (this.#sending !== undefined) return; // checks the queue again when it is done
    if (this.#waiting.length >= this.#options.batchSize) this.#sendSoon(0);
    else if (this.#timer === undefined) this.#sendSoon(this.#options.interval);
  }

  stats(): SpanQueueStats {
    return { queued: this.#waiting.length, sent: this.#sent, dropped: this.#dropped, retries: this.#retries };
  }

  /** Sends the waiting spans now, including the necessary retries. */
  async flush(): Promise<void> {
    while (this.#sending !== undefined || this.#waiting.length > 0) await runUntraced(() => this.#sendBatch());
  }

  /** Sends the waiting spans, in one attempt and within `closeTimeout`, and accepts no more. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#stop.abort(); // a wait for another attempt ends now, with a last attempt
    const limit = startTimer(this.#clock, () => this.#giveUp.abort(), this.#options.closeTimeout, true);
    const isOver = new Promise<void>((resolve) => {
      this.#giveUp.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    // A custom exporter may ignore the signal.
    await Promise.race([this.flush(), isOver]);
    limit.cancel();
    this.#dropped += this.#waiting.splice(0).length;
  }

  #shed(): void {
    const surplus = this.#waiting.length - this.#options.queueSize;
    if (surplus <= 0) return;
    this.#waiting.splice(0, surplus);
    this.#dropped += surplus;
  }

  /**
   * Outside of any trace: the export is not part of the request whose span filled the batch, and not a trace of its
   * own.
   */
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

  /** One batch, until it is sent or dropped. Never rejects. */
  async #deliver(): Promise<void> {
    const batch = this.#waiting.splice(0, this.#options.batchSize);
    if (batch.length === 0) return;
    const send = this.#prepared(batch);
    for (let attempt = 1; !this.#giveUp.signal.aborted; attempt++) {
      const outcome = await send(this.#giveUp.signal).catch(refusedBy);
      if (outcome.kind === 'sent') {
        this.#sent += Math.max(0, batch.length - outcome.rejected);
        this.#dropped += Math.min(batch.length, outcome.rejected);
        if (outcome.rejected >= batch.length) this.#warnOnce('it rejected every span of a batch');
        this.#backoff.reset();
        return;
      }
      if (outcome.kind === 'refused') this.#warnOnce(outcome.reason ?? 'it refused a batch');
      if (outcome.kind === 'refused' || attempt === MAX_ATTEMPTS || this.#isClosed) break;
      this.#retries++;
      const delay = this.#backoff.next();
      await this.#wait(Math.max(delay, outcome.after ?? 0));
    }
    this.#dropped += batch.length;
  }

  #prepared(batch: readonly SpanRecord[]): (closing: AbortSignal) => Promise<Outcome> {
    try {
      return this.#prepare(batch);
    } catch (error) {
      return () => Promise.resolve(refusedBy(error));
    }
  }

  /** Once, and only while no span was ever accepted: a wrong address or token is noticed with the first batch. */
  #warnOnce(reason: string): void {
    if (this.#hasWarned || this.#sent > 0) return;
    this.#hasWarned = true;
    process.emitWarning(`${this.#options.name}: no span was accepted: ${reason}`, { code: 'TOOLOO_SPANS_REFUSED' });
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
