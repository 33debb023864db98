/** What the memory layer holds, and the work on all of it: removing by pattern, sweeping, indexing, resizing. */
import { KeyIndex } from './key-index.js';
import { compilePattern } from './key-pattern.js';
import type { Held } from './memory-record.js';
import { keysIn, newRecords, TICK, type PlainRecords, type Records } from './memory-records.js';
import { EVERYTHING, HidingRecords, MemoryRemoval } from './memory-removal.js';
import { ResizingRecords } from './memory-resizing.js';
import type { RecentTime } from './recent-time.js';
import { KEYS_PER_SLICE, SlicedJobs, visitSome, type KeyWalk, type SlicedJob } from './sliced-jobs.js';

/** What the contents need of the layer. */
export interface ContentsOwner {
  /** Whether the entry can still be served, fresh or within its grace. */
  readonly isUsable: (held: Held) => boolean;
  /** Called with the records that the layer reads from now on. */
  readonly show: (records: Records) => void;
}

/** Work that has begun. */
export interface Work<R> {
  /** What it has done so far. */
  readonly result: R;
  /** Undefined: all is done already. */
  readonly done: Promise<void> | undefined;
}

export class MemoryContents {
  evictions = 0;
  expirations = 0;
  readonly #maxBytes: number | undefined;
  readonly #time: RecentTime;
  readonly #owner: ContentsOwner;
  readonly #jobs = new SlicedJobs();
  /** The records that hold everything, or will do so once a change of the size has ended. */
  #plain: PlainRecords;
  #records: Records;
  #isMoving = false;
  /** While removals are in progress. */
  #hiding: HidingRecords | undefined;
  /** Built when a pattern is first invalidated, because applications that never do so should not pay for it. */
  #index: KeyIndex | undefined;
  /** Undefined once the index is complete. */
  #indexing: SlicedJob | undefined;

  constructor(maxSize: number, maxBytes: number | undefined, time: RecentTime, owner: ContentsOwner) {
    this.#maxBytes = maxBytes;
    this.#time = time;
    this.#owner = owner;
    this.#plain = this.#newRecords(maxSize);
    this.#records = this.#plain;
    owner.show(this.#records);
  }

  /** Call after an entry was stored. */
  added(key: string): void {
    this.#index?.add(key);
  }

  /** Takes effect at once. */
  clear(): void {
    const clearing = this.#hiding?.clearing;
    this.#forgetIndex();
    this.#remove(EVERYTHING, clearing?.written.values() ?? this.#keys(), false);
  }

  /** Takes effect at once. The result is complete when it is done. */
  removeMatching(pattern: string): Work<string[]> {
    const { prefix, matches } = compilePattern(pattern);
    const clearing = this.#hiding?.clearing;
    this.#startIndex();
    return this.#remove(matches, this.#candidates(prefix, clearing), true);
  }

  /** Removes what can no longer be served. The result is their number when it is done. */
  sweep(): Work<{ readonly removed: number }> {
    const result = { removed: 0 };
    const keys = this.#keys();
    const visit = (key: string): void => {
      if (this.#hiding?.hides(key) === true) return;
      const held = this.#records.peek(key);
      if (held !== undefined && this.#owner.isUsable(held)) return;
      result.removed++;
      this.expirations++;
      this.#records.delete(key);
    };
    const step = (most: number): boolean => visitSome(keys, most, visit);
    if (step(KEYS_PER_SLICE)) return { result, done: undefined };
    const done = new Promise<void>((end) => this.#jobs.add({ isAwaited: true, step, end }));
    return { result, done };
  }

  /** Completes all work in progress, blocking. */
  finish(): void {
    this.#jobs.finish();
  }

  /** Moves to records for `maxSize` entries. The least recently used ones beyond it are evicted. */
  resize(maxSize: number): void {
    this.finish(); // jobs in progress work on the records of now
    const from = this.#plain;
    const to = this.#newRecords(maxSize);
    const resizing = new ResizingRecords({
      from,
      to,
      maxBytes: this.#maxBytes,
      lifetimeOf: (left) => ({ ttl: left === Infinity ? 0 : left + TICK, start: this.#time.read() - TICK }),
      silently: (work) => this.#moveSilently(work),
      evicted: () => this.evictions++,
      ended: () => this.#use(to),
    });
    this.#plain = to;
    this.#use(resizing);
    if (from.size > KEYS_PER_SLICE) return this.#jobs.add(resizing);
    while (!resizing.step(KEYS_PER_SLICE));
    resizing.end();
  }

  #use(records: Records): void {
    this.#records = records;
    if (this.#hiding === undefined) this.#owner.show(records);
  }

  #moveSilently(work: () => void): void {
    this.#isMoving = true;
    work();
    this.#isMoving = false;
  }

  /** All keys, and undefined for a step without one. Those that move during the walk go from the first records to the second. */
  *#keys(): Generator<string | undefined, void> {
    if (this.#records instanceof ResizingRecords) yield* this.#records.remaining();
    yield* keysIn(this.#plain);
  }

  #newRecords(maxSize: number): PlainRecords {
    return newRecords(maxSize, this.#maxBytes, this.#time, (key, reason) => {
      if (this.#isMoving) return;
      this.#index?.remove(key);
      if (this.#hiding?.forget(key) === true) return;
      if (reason === 'evict') this.evictions++;
      else if (reason === 'expire') this.expirations++;
    });
  }

  #remove(matches: (key: string) => boolean, keys: KeyWalk, isAwaited: boolean): Work<string[]> {
    const earlier = this.#hiding?.removals ?? [];
    let resolve: (() => void) | undefined;
    const terms = { records: this.#records, keys, matches, counts: this.#owner.isUsable, earlier, isAwaited };
    const removal = new MemoryRemoval(terms, () => {
      this.#reveal(removal);
      resolve?.();
    });
    // While the index is being built, the walk begins after that.
    if (this.#indexing === undefined && removal.step(KEYS_PER_SLICE))
      return { result: removal.removed, done: undefined };
    this.#hiding ??= new HidingRecords(this.#records);
    this.#hiding.add(removal);
    this.#owner.show(this.#hiding);
    const done = new Promise<void>((end) => (resolve = end));
    this.#jobs.add(removal);
    return { result: removal.removed, done };
  }

  #reveal(removal: MemoryRemoval): void {
    this.#hiding!.remove(removal);
    if (this.#hiding!.removals.length > 0) return;
    this.#hiding = undefined;
    this.#owner.show(this.#records);
  }

  /** Chosen when the walk begins, not before. */
  *#candidates(prefix: string, clearing: MemoryRemoval | undefined): Generator<string | undefined, void> {
    if (clearing?.hasEnded === false) yield* clearing.written;
    else if (this.#index !== undefined && this.#indexing === undefined) yield* this.#index.candidates(prefix);
    else yield* this.#keys();
  }

  #startIndex(): void {
    if (this.#index !== undefined) return;
    const index = new KeyIndex();
    const clearing = this.#hiding?.clearing;
    const keys = this.#keys();
    const step = (most: number): boolean =>
      visitSome(keys, most, (key) => {
        if (clearing?.hides(key) !== true) index.add(key);
      });
    this.#index = index;
    if (step(KEYS_PER_SLICE)) return;
    this.#indexing = { isAwaited: false, step, end: () => (this.#indexing = undefined) };
    this.#jobs.add(this.#indexing);
  }

  #forgetIndex(): void {
    if (this.#indexing !== undefined) this.#jobs.drop(this.#indexing);
    this.#indexing = undefined;
    this.#index = undefined;
  }
}
