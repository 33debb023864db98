/**
 * Checks an instance again before it is replaced for not answering its monitor. The monitor's request waits in
 * the same queue as all requests, so a busy instance answers it as late as a hung one. This check does not use that
 * queue: it reads the responses counted by callers and the writes counted by the operating system. An instance is
 * stalled only if it shows no progress for the whole window.
 */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';

/** Signs of progress that are available without asking the instance. */
export interface Signs {
  /** Number of responses that callers received while they have requests in progress; undefined if unknown. */
  readonly answered: number | undefined;
  /** Number of writes of its process; undefined if the system does not report it. */
  readonly writes: number | undefined;
}

export interface StallWatchParts {
  readonly clock: Clock;
  /** Milliseconds without progress after which an instance is stalled. */
  readonly window: number;
  readonly signsOf: (id: string) => Signs;
  readonly onStalled: (id: string) => void;
}

/** Number of checks per window. */
const LOOKS = 5;

interface Watched {
  signs: Signs;
  /** Number of consecutive checks without progress. */
  silent: number;
  timer: Timer | undefined;
}

/** Whether there was progress between two checks. Without either count, the monitor alone decides. */
function hasProgressed(before: Signs, after: Signs): boolean {
  // The responses are better evidence than writes, which may be log lines.
  if (before.answered !== undefined && after.answered !== undefined) return after.answered > before.answered;
  return before.writes !== undefined && after.writes !== undefined && after.writes > before.writes;
}

export class StallWatch {
  readonly #parts: StallWatchParts;
  readonly #watched = new Map<string, Watched>();

  constructor(parts: StallWatchParts) {
    this.#parts = parts;
  }

  /** Starts to check an instance that does not answer its monitor. */
  begin(id: string): void {
    if (this.#watched.has(id)) return;
    const one: Watched = { signs: this.#parts.signsOf(id), silent: 0, timer: undefined };
    this.#watched.set(id, one);
    this.#wait(id, one);
  }

  /** Ends the checks, because the instance answers or has ended. */
  end(id: string): void {
    this.#watched.get(id)?.timer?.cancel();
    this.#watched.delete(id);
  }

  close(): void {
    for (const id of [...this.#watched.keys()]) this.end(id);
  }

  #wait(id: string, one: Watched): void {
    one.timer = startTimer(this.#parts.clock, () => this.#look(id, one), this.#parts.window / LOOKS);
  }

  #look(id: string, one: Watched): void {
    const signs = this.#parts.signsOf(id);
    one.silent = hasProgressed(one.signs, signs) ? 0 : one.silent + 1;
    one.signs = signs;
    if (one.silent >= LOOKS) {
      one.silent = 0; // looked at on, should it stay: a successor may not have started
      this.#parts.onStalled(id);
    }
    if (this.#watched.get(id) === one) this.#wait(id, one);
  }
}
