/** The right to make a value: what is stored with it, and how it ends. */
import { beginScope, endScope, holdLeases, runInside, type LoadScope } from './load-scope.js';

/** The options for storing a value. */
export interface StoreOptions {
  /** Milliseconds the value stays fresh. Default: each layer's own. */
  readonly ttl?: number;
  /**
   * Milliseconds after that during which it may be served while a new one is made, or if making one fails. Default 0.
   */
  readonly grace?: number;
  /** Names under which `invalidateTag` finds it. */
  readonly tags?: readonly string[];
}

/**
 * The sole right to make the value of a key, as far as the layers reach.
 *
 * @example
 * const claim = await cache.claim('report:7', { duration: 5000 });
 * if ('value' in claim) console.log(claim.value); // another process has just stored it
 * else await claim.commit(await createReport(), { ttl: 60_000 });
 */
export interface Claim {
  /**
   * Stores the value, unless the key was written or invalidated since the claim was made. Ends the claim.
   *
   * @returns whether the value was stored
   */
  commit(value: unknown, options?: StoreOptions): Promise<boolean>;
  /** Ends the claim without a value. Has no effect after a commit. */
  release(): Promise<void>;
  /**
   * Runs the function as work for this claim. Another cache over the same layers, called within, does not wait for the
   * claim to end.
   */
  run<R>(work: () => R): R;
}

/** Ends once: a call after a commit or a release has no effect. */
export class StackClaim implements Claim {
  /** Of the leases held in shared layers. */
  readonly tokens: readonly string[];
  readonly #store: (value: unknown, options: StoreOptions) => Promise<boolean>;
  readonly #giveUp: () => Promise<void>;
  #scope: LoadScope | undefined;
  #hasEnded = false;

  constructor(
    tokens: readonly string[],
    store: (value: unknown, options: StoreOptions) => Promise<boolean>,
    giveUp: () => Promise<void>,
  ) {
    this.tokens = tokens;
    this.#store = store;
    this.#giveUp = giveUp;
  }

  async commit(value: unknown, options: StoreOptions = {}): Promise<boolean> {
    if (!this.#end()) return false;
    return this.#store(value, options);
  }

  async release(): Promise<void> {
    if (this.#end()) await this.#giveUp();
  }

  run<R>(work: () => R): R {
    // No context where no other cache can wait: it costs a little in everything that runs within.
    if (this.tokens.length === 0 || this.#hasEnded) return work();
    if (this.#scope === undefined) {
      this.#scope = beginScope();
      holdLeases(this.#scope, this.tokens);
    }
    return runInside(this.#scope, work);
  }

  /** Returns whether it had not ended yet. */
  #end(): boolean {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    if (this.#scope !== undefined) endScope(this.#scope);
    return true;
  }
}
