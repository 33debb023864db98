/** A process that is not this one's child: no event tells of its end, so that it has to be looked at. */
import { readFileSync } from 'node:fs';
import { startTimer, type Clock } from '../shared/clock.js';
import type { InstanceExit } from './driver.js';
import type { OwnedProcess } from './process-driver.js';

/** Milliseconds between two looks. */
const LOOK = 250;

/** Whether a process of that number runs. One that ended and was not collected by its parent (a zombie) does not. */
export function isRunning(pid: number): boolean {
  if (!send(pid, 0)) return false;
  try {
    // `pid (name) state …`, where the name may hold parentheses itself. Only Linux has the file.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return true;
  }
}

/** The process of that number, which must be running. */
export function foundProcess(pid: number, clock: Clock): OwnedProcess {
  const exited = new Promise<InstanceExit>((resolve) => {
    const look = (): void => {
      if (isRunning(pid)) startTimer(clock, look, LOOK);
      else resolve({ code: null, signal: null }); // only a parent is told how it ended
    };
    startTimer(clock, look, LOOK);
  });
  return { kill: (signal) => void send(pid, signal), exited };
}

/** False when there is no such process (any more), or it is somebody else's. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
