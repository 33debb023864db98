/** Work on all entries of the memory layer, in slices between which the event loop has its turn. */

/**
 * Keys that one slice looks at, in about a millisecond. lru-cache needs 720 ms of processor time to remove a million
 * entries at once.
 */
export const KEYS_PER_SLICE = 1000;
/** Jobs that may wait. Each read compares its key with all that remove something, so one more ends the oldest at once. */
const MOST_JOBS = 32;

/** A job that may take many slices. */
export interface SlicedJob {
  /** Whether the process stays alive for it, because a caller awaits its result. */
  readonly isAwaited: boolean;
  /**
   * @param keys how many keys to look at, at most
   * @returns whether all is done
   */
  step(keys: number): boolean;
  /** Called once, after the last step. */
  end(): void;
}

/** The jobs in progress. A turn of the event loop runs one slice of the oldest, so that it is short for any number. */
export class SlicedJobs {
  #jobs: SlicedJob[] = [];
  #turn: NodeJS.Immediate | undefined;

  add(job: SlicedJob): void {
    this.#jobs.push(job);
    if (this.#jobs.length > MOST_JOBS) this.#finish(this.#jobs.shift()!);
    this.#schedule();
  }

  /** Ends the work on a job that has become superfluous. */
  drop(job: SlicedJob): void {
    this.#jobs = this.#jobs.filter((one) => one !== job);
  }

  /** Does everything that is left, blocking. */
  finish(): void {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) this.#finish(job);
  }

  #finish(job: SlicedJob): void {
    while (!job.step(KEYS_PER_SLICE));
    job.end();
  }

  #schedule(): void {
    if (this.#jobs.length === 0) return;
    this.#turn ??= setImmediate(() => this.#runSlice());
    if (this.#jobs.some(({ isAwaited }) => isAwaited)) this.#turn.ref();
    else this.#turn.unref();
  }

  #runSlice(): void {
    this.#turn = undefined;
    const job = this.#jobs[0];
    if (job?.step(KEYS_PER_SLICE) === true) {
      this.#jobs.shift();
      job.end();
    }
    this.#schedule();
  }
}

/** The keys of a walk; undefined for a step without one. */
export type KeyWalk = Iterator<string | undefined, unknown>;

/** Takes the next steps of a walk. Returns whether it has ended. */
export function visitSome(walk: KeyWalk, most: number, visit: (key: string) => void): boolean {
  for (let i = 0; i < most; i++) {
    const next = walk.next();
    if (next.done === true) return true;
    if (next.value !== undefined) visit(next.value);
  }
  return false;
}
