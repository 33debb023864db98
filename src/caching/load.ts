/** The load of one value for any number of callers: look up, claim, load, store, and answer all callers in time. */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { startSpan } from '../shared/instrumentation.js';
import type { CacheEntry } from './cache-layer.js';
import type { StackClaim, StoreOptions } from './claim.js';
import type { LayerStack } from './layer-stack.js';
import { LazyAbort } from './lazy-abort.js';
import { beginScope, endScope, holdLeases, runInside, type LoadScope } from './load-scope.js';

/** The context of a loader, and the decisions it can make. */
export interface LoadContext {
  readonly key: string;
  /** Aborted when the load has taken too long or the cache is destroyed. */
  readonly signal: AbortSignal;
  /** The stale value, if there is one within its grace. */
  readonly stale: unknown;
  /** Sets how the value is stored, if only the loader can know; these options replace those of the call. */
  readonly keep: (options: StoreOptions) => void;
}

/** Makes the value of a key. `undefined` is returned but not stored. */
export type Loader<V> = (context: LoadContext) => V | Promise<V>;

/** How long `getOrSet` waits for its loader. */
export interface LoadTimeouts {
  /**
   * Milliseconds to wait for a fresh value if a stale one is available. After that the stale one is returned while
   * loading continues. Default 0.
   */
  readonly soft?: number;
  /** Milliseconds after which waiting ends: with the stale value, otherwise with LOAD_TIMEOUT. Default 30 seconds. */
  readonly hard?: number;
}

/** The options for loading a missing value. */
export interface LoadOptions extends StoreOptions {
  /** A number is the hard timeout. Both timeouts count from the first call for this load. */
  readonly timeout?: number | LoadTimeouts;
  /**
   * A value that stays fresh for at most this many milliseconds is returned at once and reloaded in the background, so
   * that no caller waits for popular values. Default: reload only after it has expired.
   */
  readonly refreshAhead?: number;
}

const DEFAULT_HARD_TIMEOUT = 30_000;
/** The longest time, in milliseconds, to wait for a value that another process makes, before making it here as well. */
const CLAIM_PATIENCE = 5_000;
/** A claim outlives its load a little. After this time, waiting callers renew the claim of a load without a timeout. */
const LONGEST_CLAIM = 60_000;
const CLAIM_MARGIN = 1_000;

export interface LoadEvents {
  /** The loader was called. */
  started(): void;
  /** The loader failed or took too long. Takes whether there is a stale value to return instead. */
  failed(hasStale: boolean): void;
  servedStale(): void;
  /** Whether the last load failed so recently that a stale value is returned without another load. */
  isCoolingDown(): boolean;
  /** Called when callers can no longer join the load. */
  ended(): void;
}

/** Where a load looks for its value, and stores it. */
export type LoadSource = Pick<LayerStack, 'find' | 'claim'>;

/** A class, because V8 is slow to create an object with a getter of its own. */
class LoaderContext implements LoadContext {
  readonly key: string;
  readonly stale: unknown;
  readonly keep: LoadContext['keep'];
  readonly #abort: LazyAbort;

  constructor(key: string, stale: unknown, keep: LoadContext['keep'], abort: LazyAbort) {
    this.key = key;
    this.stale = stale;
    this.keep = keep;
    this.#abort = abort;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }
}

/** One load. `answer` settles once. The load itself may continue in the background after that. */
export class Load {
  readonly answer: Promise<unknown>;
  readonly tags: readonly string[];
  readonly scope: LoadScope;
  readonly #key: string;
  readonly #loader: Loader<unknown>;
  readonly #source: LoadSource;
  readonly #clock: Clock;
  readonly #events: LoadEvents;
  readonly #abort = new LazyAbort();
  readonly #soft: number;
  readonly #hard: number;
  readonly #refreshAhead: number;
  readonly #timers: Timer[] = [];
  #options: StoreOptions;
  #stale: CacheEntry | undefined;
  /** Measured from the call of the loader. */
  #claim: StackClaim | undefined;
  #hasServedStale = false;
  #isAnswered = false;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(
    key: string,
    loader: Loader<unknown>,
    { timeout, refreshAhead = 0, ...options }: LoadOptions,
    source: LoadSource,
    clock: Clock,
    events: LoadEvents,
    isRepeated = false,
  ) {
    const { soft = 0, hard = DEFAULT_HARD_TIMEOUT } = typeof timeout === 'number' ? { hard: timeout } : (timeout ?? {});
    this.#key = key;
    this.#loader = loader;
    this.#options = options;
    this.#source = source;
    this.#clock = clock;
    this.#events = events;
    this.#soft = soft;
    this.#hard = hard;
    this.#refreshAhead = refreshAhead;
    this.tags = options.tags ?? [];
    this.scope = beginScope(isRepeated);
    this.answer = new Promise((resolve, reject) => {
      const answered = (value: unknown): void => {
        this.#isAnswered = true;
        resolve(value);
      };
      this.#resolve = answered;
      this.#reject = reject;
    });
  }

  /** Whether a caller that joins it gets a value at once: the stale one. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Starts the load. Never rejects: the result is available through `answer`. */
  async run(): Promise<void> {
    try {
      if (this.#hard !== Infinity) this.#after(this.#hard, () => this.#giveUp(this.#timeoutError()));
      await this.#lookThenLoad();
    } catch (error) {
      this.#fail(error);
    } finally {
      for (const timer of this.#timers) timer.cancel();
      endScope(this.scope);
    }
  }

  /** Ends the wait of all callers and aborts the loader. */
  cancel(error: Error): void {
    this.#giveUp(error);
  }

  /** Gives up the right to store, because the value being loaded is outdated. Other processes may load at once. */
  forfeit(): void {
    void this.#claim?.release();
  }

  async #lookThenLoad(): Promise<void> {
    const found = await this.#source.find(this.#key);
    if (found !== undefined && found.ttl > this.#refreshAhead) return this.#finish(found.value);
    this.#stale = found;
    if (found !== undefined && found.ttl > 0) this.#answerAhead(found);
    if (found !== undefined) {
      if (this.#events.isCoolingDown()) {
        this.#events.ended();
        return this.#serveStale(found);
      }
      if (this.#soft === 0) this.#serveStale(found);
      else this.#after(this.#soft, () => this.#serveStale(found));
    }
    const duration = Math.min(this.#hard, LONGEST_CLAIM) + CLAIM_MARGIN;
    // Half of the time is left for the loader, which must run even if the process that holds the claim hangs.
    const patience = Math.min(CLAIM_PATIENCE, this.#hard / 2);
    const claim = await this.#source.claim(this.#key, {
      duration,
      patience,
      abort: this.#abort,
      beyond: this.#refreshAhead,
      waiter: this.scope,
    });
    if ('value' in claim) this.#finish(claim.value);
    else if (this.#abort.isAborted) await claim.release();
    else await this.#load(claim);
  }

  async #load(claim: StackClaim): Promise<void> {
    const span = startSpan('cache load');
    this.#claim = claim;
    this.#events.started();
    try {
      holdLeases(this.scope, claim.tokens);
      const value = await runInside(this.scope, () => this.#loader(this.#context()));
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

  #context(): LoadContext {
    const keep = (options: StoreOptions): void => {
      this.#options = { ...this.#options, ...options };
    };
    return new LoaderContext(this.#key, this.#stale?.value, keep, this.#abort);
  }

  /** Callers cannot join a load that has ended: they would get a value from before their call. */
  #finish(value: unknown): void {
    this.#events.ended();
    this.#resolve(value);
  }

  /** After an abort the failure is already reported, so the loader's reaction to the abort is ignored. */
  #fail(error: unknown): void {
    if (this.#abort.isAborted) return;
    this.#events.failed(this.#stale !== undefined);
    this.#events.ended();
    if (this.#stale === undefined) this.#reject(error);
    else this.#serveStale(this.#stale);
  }

  /** The claim and the scope end here, not with the loader, because a hanging loader must not hold them for ever. */
  #giveUp(error: Error): void {
    this.#fail(error);
    this.#abort.abort(error);
    this.forfeit();
    endScope(this.scope);
  }

  /** The value is still fresh, so it does not count as stale. */
  #answerAhead(found: CacheEntry): void {
    this.#hasServedStale = true;
    this.#resolve(found.value);
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
