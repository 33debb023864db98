/** A background task that repeats. Runs never overlap, wait longer after failures, and stop when the task is closed. */
import { startTimer, type Clock, type Timer } from '../../src/index.js';

export interface RepeatingTaskOptions {
  readonly clock: Clock;
  /** Milliseconds from the end of one run to the start of the next. */
  readonly interval: number;
  /** Milliseconds before the first run. Default: `interval`. */
  readonly firstAfter?: number;
  /** Longest wait after consecutive failures, in ms. Each failure doubles the wait. */
  readonly maxBackoff: number;
  /** The work. The signal aborts when the task is closed. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Called with each failure. Errors that it throws are ignored. */
  readonly onError: (error: unknown) => void;
}

export interface RepeatingTask {
  /** Number of consecutive failures; 0 after a success. */
  readonly failures: number;
  /** Stops the task and waits for the current run. */
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
    // An error in the failure listener must not stop the task.
  }
}
