/** Resource use of a process, as reported by the operating system without involving the process. Linux only. */
import { readFileSync } from 'node:fs';

/** Counters of a process since it started. */
export interface ProcessUsage {
  /** Milliseconds that the main thread ran or waited for a CPU. */
  readonly busy: number;
  /** Writes of the main thread: responses and log lines. A process without writes makes no progress. */
  readonly writes: number;
}

const NANO_TO_MS = 1e-6;

/** The counters; undefined if the system does not provide them, or the process is gone or belongs to another user. */
export function readProcessUsage(pid: number): ProcessUsage | undefined {
  try {
    // `run wait timeslices` in nanoseconds. `wait` is included so that a busy process on an overloaded machine does not
    // look idle.
    const [run = NaN, wait = NaN] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ').map(Number);
    const writes = Number(/^syscw: (\d+)/m.exec(readFileSync(`/proc/${pid}/task/${pid}/io`, 'utf8'))?.[1]);
    const busy = (run + wait) * NANO_TO_MS;
    return Number.isFinite(busy) && Number.isFinite(writes) ? { busy, writes } : undefined;
  } catch {
    return undefined;
  }
}
