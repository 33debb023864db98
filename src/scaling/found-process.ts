/** A process that is not a child of this one. No event reports its end, so it is checked periodically. */
import { readFileSync } from 'node:fs';
import { startTimer, type Clock } from '../shared/clock.js';
import type { InstanceExit } from './driver.js';
import type { OwnedProcess } from './process-driver.js';

/** Milliseconds between two checks. */
const LOOK = 250;

/** Whether a process with that PID runs. A zombie process does not count as running. */
export function isRunning(pid: number): boolean {
  if (!send(pid, 0)) return false;
  try {
    // `pid (name) state …`, where the name may contain parentheses. The file exists only on Linux.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return true;
  }
}

/** The process with that PID, which must be running. */
export function foundProcess(pid: number, clock: Clock): OwnedProcess {
  const exited = new Promise<InstanceExit>((resolve) => {
    const look = (): void => {
      if (isRunning(pid)) startTimer(clock, look, LOOK);
      else resolve({ code: null, signal: null }); // only a parent gets the exit status
    };
    startTimer(clock, look, LOOK);
  });
  return { kill: (signal) => void send(pid, signal), exited };
}

/** False if there is no such process, or if it belongs to another user. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
