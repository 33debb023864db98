/**
 * Runs instances as workers of Node's cluster. All workers of a service listen on one port, and this process
 * distributes the connections among them. It scales one service over the cores of a machine without a proxy in front.
 */
import { monotonicClock } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import { arrayOf, checkOptions, func, string } from '../shared/options.js';
import type { InstanceSpec, ScalingDriver } from './driver.js';
import { processDriver, PROCESS_DRIVER_CHECKS, type ProcessDriverOptions } from './process-driver.js';

/** The program, and the time limits for the start and the stop of a worker. */
export interface ClusterWorkersOptions extends ProcessDriverOptions {
  /** The file that each worker runs. It reports that it is ready as a child process does (`process.send('ready')`). */
  readonly program: string;
  /** Default: none. */
  readonly args?: readonly string[];
  /**
   * Added to the environment of this process. Default: the port in `PORT`, and the name of the instance in
   * `INSTANCE_ID`.
   */
  readonly env?: (spec: InstanceSpec) => Readonly<Record<string, string>>;
}

const WHO = 'clusterWorkers';

/**
 * A driver of cluster workers, for one service: a second one on port 0 would get the same port. The workers end with
 * this process, so that none can be adopted by the next; they get Ctrl-C of a terminal as this process does.
 *
 * @throws TypeError or RangeError for a wrong option; Error in a worker
 *
 * @example
 * import { clusterWorkers, HorizontalScalingManager } from '@tooloo/resilience';
 *
 * const driver = clusterWorkers({ program: './dist/worker.js' });
 * const manager = new HorizontalScalingManager({ driver, services: { web: { port: 3000, min: 4 } } });
 */
export function clusterWorkers(options: ClusterWorkersOptions): ScalingDriver {
  const {
    program,
    args = [],
    env = ({ id, port }: InstanceSpec) => ({ PORT: String(port), INSTANCE_ID: id }),
    ...rest
  } = checkOptions(WHO, options, { ...PROCESS_DRIVER_CHECKS, program: string, args: arrayOf(string), env: func });
  if (program === undefined) throw new TypeError(`${WHO}: option 'program' is missing`);
  const cluster = nodeModule('node:cluster');
  if (!cluster.isPrimary) throw new Error(`${WHO}: a worker cannot have workers`);
  const launch = (spec: InstanceSpec) => {
    cluster.setupPrimary({ exec: program, args: [...args], silent: true }); // for the workers forked from now on
    return cluster.fork(env(spec)).process;
  };
  const driver = processDriver(WHO, launch, { ...rest, clock: rest.clock ?? monotonicClock });
  return { sharesPort: true, start: driver.start, stop: driver.stop, usage: driver.usage, close: driver.close };
}
