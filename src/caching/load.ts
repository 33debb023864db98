/** The making of one value, however many ask for it meanwhile: look, claim, load, store, and answer everybody in time. */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { startSpan } from '../shared/instrumentation.js';
import type { CacheEntry } from './cache-layer.js';
import type { Claim, LayerStack, StoreOptions } from './layer-stack.js';

/** What a loader is told, and may decide. */
export interface LoadContext {
  readonly key: string;
  /** Aborted when the load has taken too long or the cache is destroyed. */
  readonly signal: AbortSignal;
  /** The outdated value, where there is one within its grace. */
  readonly stale: unknown;
  /** Decides how the value is kept, where only the loader can know: what is given replaces the options of the call. */
  readonly keep: (options: StoreOptions) => void;
}

/** Makes the value of a key. `undefined` is answered but not stored. */
export type Loader<V> = (context: LoadContext) => V | Promise<V>;

/** How long `getOrSet` waits for its loader. */
export interface LoadTimeouts {
  /** Milliseconds to wait for a fresh value where a stale one is at hand; it is then answered while loading goes on. Default 0. */
  readonly soft?: number;
  /** Milliseconds after which nobody waits any longer: the stale value, else LOAD_TIMEOUT. Default 30 seconds. */
  readonly hard?: number;
}

export interface LoadOptions extends StoreOptions {
  /** A number is the hard timeout. Both count from the first call that asked for this load. */
  readonly timeout?: number | LoadTimeouts;
}

const DEFAULT_HARD_TIMEOUT = 30_000;
/** Milliseconds to wait for a value that another process makes, before making it here as well. */
const CLAIM_PATIENCE = 5_000;
/** A claim outlives its load a little; one without a timeout is renewed by whoever asks after this. */
const LONGEST_CLAIM = 60_000;
const CLAIM_MARGIN = 1_000;

export interface LoadEvents {
  /** The loader was called. */
  started(): void;
  /** The loader failed or took too long; whether there is a stale value to answer instead. */
  failed(hasStale: boolean): void;
  servedStale(): void;
  /** Whether a recent failure says to leave the origin alone while a stale value will do. */
  isCoolingDown(): boolean;
  /** Nobody may join any more. */
  ended(): void;
}

/** One load. `answer` settles once; the load itself may go on in the background after that. */
export class Load {
  readonly answer: Promise<unknown>;
  readonly tags: readonly string[];
  readonly #key: string;
  readonly #loader: Loader<unknown>;
  readonly #stack: LayerStack;
  readonly #clock: Clock;
  readonly #events: LoadEvents;
  readonly #abort = new AbortController();
  readonly #soft: number;
  readonly #hard: number;
  readonly #timers: Timer[] = [];
  #options: StoreOptions;
  #stale: CacheEntry | undefined;
  /** From the moment the loader is called. */
  #claim: Claim | undefined;
  #hasServedStale = false;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(
    key: string,
    loader: Loader<unknown>,
    { timeout, ...options }: LoadOptions,
    stack: LayerStack,
    clock: Clock,
    events: LoadEvents,
  ) {
    const { soft = 0, hard = DEFAULT_HARD_TIMEOUT } = typeof timeout === 'number' ? { hard: timeout } : (timeout ?? {});
    this.#key = key;
    this.#loader = loader;
    this.#options = options;
    this.#stack = stack;
    this.#clock = clock;
    this.#events = events;
    this.#soft = soft;
    this.#hard = hard;
    this.tags = options.tags ?? [];
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Begins. Never rejects: what happens is told through `answer`. */
  async run(): Promise<void> {
    try {
      if (this.#hard !== Infinity) this.#after(this.#hard, () => this.#giveUp(this.#timeoutError()));
      await this.#lookThenLoad();
    } catch (error) {
      this.#fail(error);
    } finally {
      for (const timer of this.#timers) timer.cancel();
    }
  }

  /** Ends the waiting of everybody and tells the loader to stop. */
  cancel(error: Error): void {
    this.#giveUp(error);
  }

  /** Gives up the right to store: what is being loaded is outdated already, and must keep nobody from loading anew. */
  forfeit(): void {
    void this.#claim?.release();
  }

  async #lookThenLoad(): Promise<void> {
    const found = await this.#stack.find(this.#key);
    if (found !== undefined && found.ttl > 0) return this.#finish(found.value);
    this.#stale = found;
    if (found !== undefined) {
      if (this.#events.isCoolingDown()) {
        this.#events.ended();
        return this.#serveStale(found);
      }
      if (this.#soft === 0) this.#serveStale(found);
      else this.#after(this.#soft, () => this.#serveStale(found));
    }
    const duration = Math.min(this.#hard, LONGEST_CLAIM) + CLAIM_MARGIN;
    const claim = await this.#stack.claim(this.#key, duration, CLAIM_PATIENCE, this.#abort.signal);
    if ('value' in claim) this.#finish(claim.value);
    else await this.#load(claim);
  }

  async #load(claim: Claim): Promise<void> {
    const span = startSpan('cache load');
    this.#claim = claim;
    this.#events.started();
    try {
      const value = await this.#loader({
        key: this.#key,
        signal: this.#abort.signal,
        stale: this.#stale?.value,
        keep: (options) => {
          this.#options = { ...this.#options, ...options };
        },
      });
      if (value !== undefined) await claim.commit(value, this.#options);
      span?.end();
      this.#finish(value);
    } catch (error) {
      span?.end(error);
      throw error;
    } finally {
      await claim.release();
    }
  }

  /** Nobody may join a load that has ended: they would get what was true for those before them. */
  #finish(value: unknown): void {
    this.#events.ended();
    this.#resolve(value);
  }

  /** After an abort the failure has been told already, and what a loader says to being aborted is no news. */
  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#events.failed(this.#stale !== undefined);
    this.#events.ended();
    if (this.#stale === undefined) this.#reject(error);
    else this.#serveStale(this.#stale);
  }

  #giveUp(error: Error): void {
    this.#fail(error);
    this.#abort.abort(error);
  }

  #serveStale(stale: CacheEntry): void {
    if (this.#hasServedStale) return;
    this.#hasServedStale = true;
    this.#events.servedStale();
    this.#resolve(stale.value);
  }

  #after(delay: number, callback: () => void): void {
    this.#timers.push(startTimer(this.#clock, callback, delay));
  }

  #timeoutError(): ResilienceError {
    return new ResilienceError('LOAD_TIMEOUT', `getOrSet: the value was not loaded within ${this.#hard} ms`);
  }
}
