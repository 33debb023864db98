/** Something done again and again in the background: never twice at once, later after a failure, not at all once closed. */
import { startTimer, type Clock, type Timer } from '../../src/index.js';

export interface RepeatingTaskOptions {
  readonly clock: Clock;
  /** Milliseconds from the end of one run to the beginning of the next. */
  readonly interval: number;
  /** Milliseconds before the first run; `interval` unless told. */
  readonly firstAfter?: number;
  /** Longest wait after failures in a row, in ms; each doubles the wait. */
  readonly maxBackoff: number;
  /** The work. The signal aborts when the task is closed. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Told of each failure; what it throws is ignored. */
  readonly onError: (error: unknown) => void;
}

export interface RepeatingTask {
  /** Failures in a row; 0 while all is well. */
  readonly failures: number;
  /** Stops for good and waits for the run under way. */
  close(): Promise<void>;
}

/** Starts the task. Its timer never keeps the process alive. */
export function repeatingTask(options: RepeatingTaskOptions): RepeatingTask {
  const { clock, interval, maxBackoff, run, onError } = options;
  const closing = new AbortController();
  let failures = 0;
  let running: Promise<void> = Promise.resolve();
  let timer = schedule(options.firstAfter ?? interval);

  function schedule(delay: number): Timer {
    return startTimer(
      clock,
      () => {
        running = once();
      },
      delay,
    );
  }

  async function once(): Promise<void> {
    try {
      await run(closing.signal);
      failures = 0;
    } catch (error) {
      failures++;
      report(onError, error);
    }
    const delay = Math.min(Math.max(interval, maxBackoff), interval * 2 ** failures);
    if (!closing.signal.aborted) timer = schedule(delay);
  }

  return {
    get failures() {
      return failures;
    },
    async close() {
      closing.abort();
      timer.cancel();
      await running;
    },
  };
}

function report(onError: (error: unknown) => void, error: unknown): void {
  try {
    onError(error);
  } catch {
    // Whoever listens to failures must not become one.
  }
}
