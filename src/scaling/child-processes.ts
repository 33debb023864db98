/**
 * Runs instances as child processes of this one. An instance says over its IPC channel that it is ready
 * (`process.send('ready')`, as PM2 expects it too, or `{ type: 'ready', port }` when it chose its port), and ends on SIGTERM.
 */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { monotonicClock } from '../shared/clock.js';
import { checkOptions, func } from '../shared/options.js';
import type { InstanceSpec, RunningInstance, ScalingDriver } from './driver.js';
import { foundProcess, isRunning } from './found-process.js';
import { processDriver, PROCESS_DRIVER_CHECKS, type ProcessDriverOptions } from './process-driver.js';

export { EXIT_CONFIG } from './process-driver.js';

/** What to run for an instance. */
export interface InstanceCommand {
  /** A program; the running Node unless told. */
  readonly file?: string;
  readonly args: readonly string[];
  /** Added to this process' environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The program, and how long it may take to start and to end. */
export interface ChildProcessesOptions extends ProcessDriverOptions {
  /**
   * The command that runs an instance, which must listen on `spec.port`. Default: `<service>-server.js` in the working
   * folder, told its port in `PORT` and its name in `INSTANCE_ID`.
   */
  readonly command?: (spec: InstanceSpec) => InstanceCommand;
}

function programOfService({ service, id, port }: InstanceSpec): InstanceCommand {
  return { args: [resolve(`${service}-server.js`)], env: { PORT: String(port), INSTANCE_ID: id } };
}

/**
 * A driver that runs each instance as a child process in a process group of its own, so that Ctrl-C at the terminal
 * reaches only this process, which then stops its instances in order. One that outlives this process can be adopted by
 * the next; what it prints then is lost.
 *
 * @throws TypeError or RangeError for a wrong option
 */
export function childProcesses(options?: ChildProcessesOptions): ScalingDriver {
  const { command = programOfService, ...rest } = checkOptions('childProcesses', options, {
    ...PROCESS_DRIVER_CHECKS,
    command: func,
  });
  const clock = rest.clock ?? monotonicClock;
  const launch = (spec: InstanceSpec) => {
    const { file = process.execPath, args, env } = command(spec);
    return spawn(file, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
  };
  const { own, ...driver } = processDriver('childProcesses', launch, { ...rest, clock });
  return {
    ...driver,
    adopt(found) {
      if (!isRunning(found.pid)) return undefined;
      const owned = foundProcess(found.pid, clock);
      const instance: RunningInstance = { ...found, readyAfter: 0, exited: owned.exited };
      own(instance, owned);
      return instance;
    },
  };
}
