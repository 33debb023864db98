/** The last slow statements. */
import { wallClock } from '../shared/clock.js';
import { callGuarded } from '../shared/listeners.js';

/** One statement that took longer than the threshold. */
export interface SlowQuery {
  /** The statement without its values. */
  readonly fingerprint: string;
  /** Milliseconds. */
  readonly duration: number;
  /** Rows returned or changed. */
  readonly rows: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** Route template and trace of the request it was for, where known. */
  readonly route: string | undefined;
  readonly traceId: string | undefined;
  /** The database's plan, one line per step, once it is known. */
  readonly plan?: readonly string[];
}

/** Shapes that may wait for their plan; one that finds no room is asked for when it is slow again. */
const MOST_PLANLESS = 20;

/** Gets the plan of a statement from the database. Never rejects. */
type AskPlan = (sql: string) => Promise<readonly string[] | undefined>;

export class SlowQueryLog {
  readonly #size: number;
  readonly #askPlan: AskPlan;
  readonly #onSlowQuery: ((query: SlowQuery) => unknown) | undefined;
  #queries: SlowQuery[] = [];
  #total = 0;
  /** Statements whose plan is to be asked for, by shape. */
  readonly #planless = new Map<string, string>();
  #isAsking = false;

  constructor(size: number, askPlan: AskPlan, onSlowQuery: ((query: SlowQuery) => unknown) | undefined) {
    this.#size = size;
    this.#askPlan = askPlan;
    this.#onSlowQuery = onSlowQuery;
  }

  /** Slow statements since the start, those no longer kept included. */
  get total(): number {
    return this.#total;
  }

  /** Keeps a slow statement. */
  add(query: Omit<SlowQuery, 'at' | 'plan'>, sql: string): void {
    const plan = this.#queries.find((other) => other.fingerprint === query.fingerprint)?.plan;
    const slow: SlowQuery = { ...query, at: wallClock.now(), ...(plan !== undefined && { plan }) };
    this.#total++;
    this.#queries.push(slow);
    if (this.#queries.length > this.#size) this.#queries.shift();
    if (this.#onSlowQuery !== undefined) callGuarded('QueryOptimizer.onSlowQuery', this.#onSlowQuery, slow);
    if (plan !== undefined || this.#planless.size >= MOST_PLANLESS) return;
    this.#planless.set(query.fingerprint, sql);
    if (!this.#isAsking) void this.#askForPlans();
  }

  /** One at a time: what slows a database down must not be answered with a storm of questions about it. */
  async #askForPlans(): Promise<void> {
    this.#isAsking = true;
    for (const [fingerprint, sql] of this.#planless) {
      const plan = await this.#askPlan(sql);
      this.#planless.delete(fingerprint);
      if (plan === undefined) continue;
      this.#queries = this.#queries.map((query) => (query.fingerprint === fingerprint ? { ...query, plan } : query));
    }
    this.#isAsking = false;
  }

  list(): SlowQuery[] {
    return [...this.#queries].reverse();
  }
}
