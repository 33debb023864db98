/** The shapes of the statements that are run: all of them, or a sample where all would cost too much of their time. */
import { ShapeBudget, type ShapeBudgetOptions } from './shape-budget.js';
import { StatementShapes } from './statement-shapes.js';

/** How a statement is counted. */
export interface Watched {
  /** Undefined if the text was not read. */
  readonly shape: string | undefined;
  /** The statements that it stands for. */
  readonly times: number;
  /** Whether the shape was known without reading the text. */
  readonly isKnown: boolean;
}

const UNREAD: Watched = { shape: undefined, times: 0, isKnown: false };

export class WatchedShapes {
  readonly #shapes = new StatementShapes();
  readonly #budget: ShapeBudget;
  readonly #read = (sql: string): string => this.#shapes.read(sql);
  #unread = 0;

  constructor(options: ShapeBudgetOptions) {
    this.#budget = new ShapeBudget(options);
  }

  /** Statements that were counted by others, because their texts were not read. */
  get unread(): number {
    return this.#unread;
  }

  /** The shape, regardless of its cost. */
  of(sql: string): string {
    return this.#shapes.of(sql);
  }

  /**
   * Before a statement runs.
   *
   * @param isNeeded whether the shape is used for more than statistics
   */
  begin(sql: string, isNeeded: boolean): Watched {
    const known = this.#shapes.known(sql);
    if (known !== undefined) return { shape: known, times: 1, isKnown: true };
    const times = isNeeded ? 1 : this.#budget.weigh(sql);
    return times === 0 ? UNREAD : { shape: this.#budget.read(sql, this.#read), times, isKnown: false };
  }

  /** After a statement. One that took long enough to pay for its text is always read, and stands for itself. */
  end(sql: string, watched: Watched, duration: number): Watched {
    const isPaid = this.#budget.settle(sql, duration, watched.isKnown);
    if (!isPaid) {
      if (watched === UNREAD) this.#unread++;
      return watched;
    }
    if (watched.times === 1) return watched;
    return { ...watched, shape: watched.shape ?? this.#budget.read(sql, this.#read), times: 1 };
  }
}
