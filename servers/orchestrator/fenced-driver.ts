/** A driver that starts and stops instances only while this process runs the fleet. */
import { ResilienceError, type ScalingDriver } from '../../src/index.js';

/**
 * Without the fleet, `start` rejects, and `stop` and `close` leave the instances alone.
 *
 * @param driver an object with its own methods, such as that of `childProcesses`
 * @param mayAct called before each action. This process may have lost the fleet without notice.
 */
export function fencedDriver(driver: ScalingDriver, mayAct: () => Promise<boolean>): ScalingDriver {
  return {
    ...driver,
    async start(spec, signal) {
      if (await mayAct()) return driver.start(spec, signal);
      throw new ResilienceError('CONFLICT', `${spec.id} is not started: another orchestrator runs this fleet`);
    },
    async stop(instance, timeout) {
      if (await mayAct()) await driver.stop(instance, timeout);
    },
    async close() {
      if (await mayAct()) await driver.close();
    },
  };
}
