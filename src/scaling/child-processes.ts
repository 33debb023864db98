/**
 * Runs instances as child processes of this one. An instance reports over its IPC channel that it is ready:
 * `process.send('ready')`, as for PM2, or `{ type: 'ready', port }` if it chose its port. It ends on SIGTERM.
 */
import { resolve } from 'node:path';
import { monotonicClock } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import { checkOptions, func } from '../shared/options.js';
import type { InstanceSpec, RunningInstance, ScalingDriver } from './driver.js';
import { foundProcess, isRunning } from './found-process.js';
import { processDriver, PROCESS_DRIVER_CHECKS, type ProcessDriverOptions } from './process-driver.js';

export { EXIT_CONFIG } from './process-driver.js';

/** The command for an instance. */
export interface InstanceCommand {
  /** A program. Default: the Node that runs this process. */
  readonly file?: string;
  readonly args: readonly string[];
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The program, and the time limits for its start and stop. */
export interface ChildProcessesOptions extends ProcessDriverOptions {
  /**
   * The command that runs an instance, which must listen on `spec.port`. Default: `<service>-server.js` in the working
   * folder, with its port in `PORT` and its name in `INSTANCE_ID`.
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
 *
 * @example
 * import { childProcesses, HorizontalScalingManager } from '@tooloo/resilience';
 *
 * const driver = childProcesses({ command: ({ port }) => ({ args: ['billing.js'], env: { PORT: String(port) } }) });
 * const manager = new HorizontalScalingManager({ driver, services: { billing: { min: 2, max: 4 } } });
 */
export function childProcesses(options?: ChildProcessesOptions): ScalingDriver {
  const { command = programOfService, ...rest } = checkOptions('childProcesses', options, {
    ...PROCESS_DRIVER_CHECKS,
    command: func,
  });
  const clock = rest.clock ?? monotonicClock;
  const launch = (spec: InstanceSpec) => {
    const { file = process.execPath, args, env } = command(spec);
    return nodeModule('node:child_process').spawn(file, args, {
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
