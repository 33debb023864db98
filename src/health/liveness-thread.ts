/** Answers liveness from a thread of its own, so that the answer does not depend on the event loop that it is about. */
import type { Worker } from 'node:worker_threads';
import { startInterval, type Clock, type Timer } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import { checkOptions, milliseconds, number, string, type OptionChecks } from '../shared/options.js';
import { warn } from '../shared/warnings.js';
import { BEATS, IS_ALIVE, serveLiveness, type LivenessReport, type LivenessSettings } from './liveness-program.js';
import type { ReadinessProbe } from './readiness-probe.js';

/** Where the thread answers, and how long the event loop may be blocked. */
export interface LivenessThreadOptions {
  /** The port of the thread; 0 chooses a free one. */
  readonly port: number;
  /** Default `127.0.0.1`. Kubernetes probes the address of the pod: `0.0.0.0`. */
  readonly host?: string;
  /** Milliseconds for which a blocked event loop still counts as alive. Default 30 000. */
  readonly maxBlocked?: number;
}

const CHECKS: OptionChecks<LivenessThreadOptions> = {
  port: number({ min: 0, max: 65_535, integer: true }),
  host: string,
  maxBlocked: milliseconds,
};
const DEFAULTS = { host: '127.0.0.1', maxBlocked: 30_000 };
const WHO = 'healthEndpoints: livenessThread';

/** Milliseconds between two beats of the event loop, and between two looks at them. */
const PERIOD = 250;

/**
 * The thread, with the beats of the event loop that it watches.
 *
 * @example
 * import { healthEndpoints } from '@tooloo/resilience';
 *
 * const health = healthEndpoints({ livenessThread: { port: 8081 } });
 * console.log(await health.livenessThread?.listening); // 8081
 */
export class LivenessThread {
  /** Settles with the port when the thread listens; undefined if it cannot, which is a warning. */
  readonly listening: Promise<number | undefined>;
  readonly #cells = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  readonly #beat: Timer;
  readonly #worker: Worker;

  /**
   * @param path where it answers
   * @throws TypeError or RangeError for a wrong option
   */
  constructor(options: LivenessThreadOptions, path: string, probes: ReadinessProbe, clock: Clock) {
    const { port, host, maxBlocked } = { ...DEFAULTS, ...checkOptions(WHO, options, CHECKS) };
    if ((port as number | undefined) === undefined) throw new TypeError(`${WHO}: option 'port' is missing`);
    Atomics.store(this.#cells, IS_ALIVE, 1);
    const program = `(${serveLiveness.toString()})(require('node:worker_threads'), require('node:http'))`;
    const settings: LivenessSettings = { cells: this.#cells, port, host, path, maxBlocked, period: PERIOD };
    // Without the flags of the process: `--input-type=module` would read the program as something else than it is.
    this.#worker = new (nodeModule('node:worker_threads').Worker)(program, {
      eval: true,
      workerData: settings,
      execArgv: [],
    });
    this.#worker.unref();
    this.listening = this.#report();
    this.#beat = startInterval(clock, () => this.#beatOnce(probes), PERIOD);
  }

  /** Ends the thread. Idempotent. */
  close(): void {
    this.#beat.cancel();
    void this.#worker.terminate();
  }

  #beatOnce(probes: ReadinessProbe): void {
    Atomics.add(this.#cells, BEATS, 1);
    void probes.check('liveness').then(({ live }) => Atomics.store(this.#cells, IS_ALIVE, live ? 1 : 0));
  }

  #report(): Promise<number | undefined> {
    return new Promise((resolve) => {
      const failed = (reason: string): void => {
        warn('TOOLOO_LIVENESS_THREAD_FAILED', `${WHO}: the thread does not answer: ${reason}`);
        resolve(undefined);
      };
      this.#worker.once('message', (report: LivenessReport) =>
        'error' in report ? failed(report.error) : resolve(report.port),
      );
      this.#worker.once('error', (error) => failed(error.message));
      this.#worker.once('exit', () => resolve(undefined));
    });
  }
}
