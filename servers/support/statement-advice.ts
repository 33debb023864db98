/**
 * Advice on the statements of a service for the control room: analysed when it is read, one statement at a time, and
 * remembered. A reader gets what is known and asks again.
 */
import { LRUCache } from 'lru-cache';
import type { QueryOptimizer, Suggestion } from '../../src/index.js';

/** Number of statements whose advice is remembered, and milliseconds until it is renewed: an index may be added. */
const KEPT = 200;
const RENEW_MS = 600_000;

/** Maximum number of statements that wait for their analysis. */
const MOST_WAITING = 20;

export class StatementAdvice {
  readonly #optimizer: Pick<QueryOptimizer, 'optimizeQuery'>;
  readonly #known = new LRUCache<string, readonly Suggestion[]>({ max: KEPT, ttl: RENEW_MS });
  readonly #waiting = new Set<string>();
  #isAnalysing = false;

  constructor(optimizer: Pick<QueryOptimizer, 'optimizeQuery'>) {
    this.#optimizer = optimizer;
  }

  /** The known suggestions, by statement. The other statements are analysed in the background, in this order. */
  about(fingerprints: readonly string[]): Record<string, readonly Suggestion[]> {
    const known: Record<string, readonly Suggestion[]> = {};
    for (const fingerprint of fingerprints) {
      const suggestions = this.#known.get(fingerprint);
      if (suggestions !== undefined) known[fingerprint] = suggestions;
      else if (this.#waiting.size < MOST_WAITING) this.#waiting.add(fingerprint);
    }
    if (!this.#isAnalysing) void this.#analyse();
    return known;
  }

  /** One at a time, because it uses a connection of the service. */
  async #analyse(): Promise<void> {
    this.#isAnalysing = true;
    for (const fingerprint of this.#waiting) {
      this.#known.set(fingerprint, await this.#suggestionsFor(fingerprint));
      this.#waiting.delete(fingerprint);
    }
    this.#isAnalysing = false;
  }

  async #suggestionsFor(fingerprint: string): Promise<readonly Suggestion[]> {
    try {
      return (await this.#optimizer.optimizeQuery(fingerprint)).suggestions;
    } catch {
      return []; // the shape of a long statement is cut and cannot be analysed
    }
  }
}
