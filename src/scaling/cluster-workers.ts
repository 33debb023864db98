/**
 * Runs instances as workers of Node's cluster: all of a service listen on one port, and this process hands them the
 * connections in turn. What scales one service over the cores of a machine without anything in front of it.
 */
import cluster from 'node:cluster';
import { monotonicClock } from '../shared/clock.js';
import { arrayOf, checkOptions, func, string } from '../shared/options.js';
import type { InstanceSpec, ScalingDriver } from './driver.js';
import { processDriver, PROCESS_DRIVER_CHECKS, type ProcessDriverOptions } from './process-driver.js';

/** The program, and how long a worker may take to start and to end. */
export interface ClusterWorkersOptions extends ProcessDriverOptions {
  /** The file each worker runs. It says that it is ready as a child process does (`process.send('ready')`). */
  readonly program: string;
  /** Default: none. */
  readonly args?: readonly string[];
  /** Added to this process' environment. Default: the port in `PORT`, the name of the instance in `INSTANCE_ID`. */
  readonly env?: (spec: InstanceSpec) => Readonly<Record<string, string>>;
}

const WHO = 'clusterWorkers';

/**
 * A driver of cluster workers, for one service: a second one on port 0 would get the same port. The workers end with
 * this process, so that none can be adopted by the next; they get Ctrl-C of a terminal as this process does.
 *
 * @throws TypeError or RangeError for a wrong option; Error in a worker
 */
export function clusterWorkers(options: ClusterWorkersOptions): ScalingDriver {
  const {
    program,
    args = [],
    env = ({ id, port }: InstanceSpec) => ({ PORT: String(port), INSTANCE_ID: id }),
    ...rest
  } = checkOptions(WHO, options, { ...PROCESS_DRIVER_CHECKS, program: string, args: arrayOf(string), env: func });
  if (program === undefined) throw new TypeError(`${WHO}: option 'program' is missing`);
  if (!cluster.isPrimary) throw new Error(`${WHO}: a worker cannot have workers`);
  const launch = (spec: InstanceSpec) => {
    cluster.setupPrimary({ exec: program, args: [...args], silent: true }); // of the workers forked from now on
    return cluster.fork(env(spec)).process;
  };
  const driver = processDriver(WHO, launch, { ...rest, clock: rest.clock ?? monotonicClock });
  return { sharesPort: true, start: driver.start, stop: driver.stop, close: driver.close };
}
