/**
 * The removal of many rows from the disk layer, in steps: each takes about a millisecond, so that neither this event loop
 * nor another process waits for all of them.
 */
import { monotonicClock, sleep, type Clock } from '../shared/clock.js';
import type { KeyRange, Statements } from './disk-schema.js';
import { isAlive } from './disk-lifetime.js';
import { afterPrefix, compilePattern, type KeyPattern } from './key-pattern.js';
import { wellFormedPart } from './value-codec.js';

/** A removal that may take many steps. */
export interface DiskRemoval<R> {
  /** The entries removed so far. */
  readonly result: R;
  /**
   * Runs within a transaction. The first step revokes the leases.
   *
   * @param rows how many rows to look at, at most
   * @returns whether all is done
   */
  step(sql: Statements, rows: number): boolean;
}

/** Milliseconds of one slice: the event loop and other processes have their turn after it. */
const SLICE = 4;
/** Milliseconds a step should take: rows of a megabyte take a hundred times as long as small ones. */
const STEP = 1;
const FIRST_ROWS = 8;
const MOST_ROWS = 1000;
/** Milliseconds between two attempts where another process holds the lock, and the number of attempts. */
const BUSY_PAUSE = 10;
const BUSY_ATTEMPTS = 100;
/** Sorts above every text. */
const ABOVE_ALL = Buffer.alloc(0);

/** Removes everything that was written before it began. */
export class RemovalOfAll implements DiskRemoval<void> {
  readonly result = undefined;
  #last: number | null | undefined;

  step(sql: Statements, rows: number): boolean {
    if (this.#last === undefined) {
      sql.revokeLeases.run();
      this.#last = sql.lastRow.get() ?? null;
    }
    return this.#last === null || sql.removeUpTo.run(this.#last, rows).changes < rows;
  }
}

/** Removes the keys that match a pattern; those that could still have been read are the result. */
export class RemovalOfMatching implements DiskRemoval<string[]> {
  readonly result: string[] = [];
  readonly #matches: KeyPattern['matches'];
  readonly #clock: Clock;
  readonly #end: string | Buffer;
  #from: string;
  #hasBegun = false;

  /** @param clock the layer's */
  constructor(pattern: string, clock: Clock) {
    const { prefix, matches } = compilePattern(pattern);
    this.#matches = matches;
    this.#clock = clock;
    this.#from = wellFormedPart(prefix); // keys are ordered as UTF-8, where half a character has no place
    this.#end = afterPrefix(this.#from) ?? ABOVE_ALL;
  }

  step(sql: Statements, rows: number): boolean {
    const range: KeyRange = [this.#from, this.#end];
    if (!this.#hasBegun) this.#revokeLeases(sql, range);
    this.#hasBegun = true;
    const page = sql.keysInRange.all(...range, rows);
    const now = this.#clock.now();
    let key = '';
    for (const [rowid, bytes] of page) {
      key = bytes.toString();
      if (!this.#matches(key)) continue;
      const row = sql.lifetime.get(rowid);
      if (row !== undefined && isAlive(sql, row, now)) this.result.push(key);
      sql.removeRow.run(rowid);
    }
    this.#from = `${key}\0`; // the first text above it
    return page.length < rows;
  }

  #revokeLeases(sql: Statements, range: KeyRange): void {
    for (const bytes of sql.leasesInRange.all(...range)) {
      const key = bytes.toString();
      if (this.#matches(key)) sql.revokeLease.run(key);
    }
  }
}

/** Runs all steps, blocking. */
export function removeAtOnce<R>(removal: DiskRemoval<R>, sql: Statements): R {
  while (!removal.step(sql, MOST_ROWS));
  return removal.result;
}

/** The state of a removal in slices. */
export class SlicedRemoval<R> {
  readonly #removal: DiskRemoval<R>;
  readonly #inTransaction: (work: (sql: Statements) => boolean) => boolean;
  #rows = FIRST_ROWS;

  /** @param inTransaction runs the work in a transaction of its own */
  constructor(removal: DiskRemoval<R>, inTransaction: (work: (sql: Statements) => boolean) => boolean) {
    this.#removal = removal;
    this.#inTransaction = inTransaction;
  }

  /** The result at once if one slice is enough, else a promise of it. */
  run(): R | Promise<R> {
    return this.#slice() ? this.#removal.result : this.#rest();
  }

  async #rest(): Promise<R> {
    for (let isDone = false; !isDone;) {
      await new Promise((resolve) => setImmediate(resolve));
      isDone = await this.#sliceWhenFree();
    }
    return this.#removal.result;
  }

  /** Another process may hold the lock for a moment. Nothing was done by then, so the slice is tried again. */
  async #sliceWhenFree(): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#slice();
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'SQLITE_BUSY' || attempt >= BUSY_ATTEMPTS) throw error;
        await sleep(monotonicClock, BUSY_PAUSE, undefined, true);
      }
    }
  }

  #slice(): boolean {
    return this.#inTransaction((sql) => {
      const start = monotonicClock.now();
      for (let now = start; now - start < SLICE;) {
        if (this.#removal.step(sql, this.#rows)) return true;
        const took = monotonicClock.now() - now;
        now += took;
        this.#rows = Math.min(MOST_ROWS, Math.max(1, Math.round((this.#rows * STEP) / Math.max(0.1, took))));
      }
      return false;
    });
  }
}
