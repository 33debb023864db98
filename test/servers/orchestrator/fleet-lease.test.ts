/** The lease that allows one orchestrator to run the fleet, and an orchestrator that loses it while it is paused. */
import { fencedDriver } from '../../../servers/orchestrator/fenced-driver.js';
import { FleetHeldError, fleetLease } from '../../../servers/orchestrator/fleet-lease.js';
import {
  leftInstances,
  orchestratorMigrations,
  recordInstances,
  type OrchestratorSchema,
} from '../../../servers/orchestrator/predecessor.js';
import type { InstanceRecord } from '../../../servers/orchestrator/fleet-runner.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { onEachDatabase } from '../../support/databases.js';
import { until } from '../../support/eventually.js';
import { ScriptedDriver } from '../../support/scripted-driver.js';

const URL_OF_FIRST = 'http://127.0.0.1:3100';
/** Longer than a lease lasts without a renewal, in ms. */
const PAUSE = 20_000;

onEachDatabase((open) => {
  /** One more orchestrator, with its own pool and its own clock. */
  async function orchestrator(url: string, clock = new FakeClock(0)) {
    const { db } = await open<OrchestratorSchema>(orchestratorMigrations);
    const lost: string[] = [];
    const lease = fleetLease({ db, clock, url, onLost: (holder) => lost.push(holder) });
    return { db, clock, lease, lost };
  }

  /** The first orchestrator is paused until its lease expires, and the second one takes over the fleet. */
  async function overtaken() {
    const first = await orchestrator(URL_OF_FIRST);
    await first.lease.acquire();
    const second = await orchestrator('http://127.0.0.1:4100', new FakeClock(PAUSE));
    await second.lease.acquire();
    first.clock.set(PAUSE);
    return { first, second };
  }

  test('of two orchestrators on one database, one runs the fleet, and the error of the other names it', async () => {
    const both = await Promise.all([orchestrator(URL_OF_FIRST), orchestrator(URL_OF_FIRST)]);
    const outcomes = await Promise.allSettled(both.map(({ lease }) => lease.acquire()));
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    expect(refused).toEqual([expect.any(FleetHeldError)]);
    expect((refused[0] as Error).message).toContain(`process ${process.pid}, ${URL_OF_FIRST}`);
  });

  test('the holder keeps the lease while it renews it', async () => {
    const first = await orchestrator(URL_OF_FIRST);
    await first.lease.acquire();
    const second = await orchestrator('http://127.0.0.1:4100');
    for (let time = 0; time < 60_000; time += 4000) {
      first.clock.tick(4000);
      // Only a read from the database proves that the renewal was written.
      second.clock.set(first.clock.now());
      await until(async () => first.clock.pendingTimers === 1 && (await first.lease.mayAct()));
    }
    await expect(second.lease.acquire()).rejects.toThrow(FleetHeldError);
    expect(first.lost).toEqual([]);
  });

  test('a holder that lost the lease while it was paused is notified once, at its next renewal', async () => {
    const { first } = await overtaken();
    first.clock.tick(4000);
    await until(() => first.lost.length > 0, 'it did not notice');
    expect(first.lost).toEqual([`process ${process.pid}, http://127.0.0.1:4100`]);
    expect(first.clock.pendingTimers).toBe(0);
    expect(await first.lease.mayAct()).toBe(false);
  });

  test('a holder that lost the lease starts and stops nothing, even before its next renewal', async () => {
    const first = await orchestrator(URL_OF_FIRST);
    await first.lease.acquire();
    const processes = new ScriptedDriver();
    const driver = fencedDriver(processes, () => first.lease.mayAct());
    const running = await driver.start({ service: 'training', id: 'training-1', port: 0 });
    const second = await orchestrator('http://127.0.0.1:4100', new FakeClock(PAUSE));
    await second.lease.acquire();
    first.clock.set(PAUSE); // its timers have not fired yet, as in a process that continues
    await driver.stop(running);
    expect(processes.stops).toBe(0);
    await expect(driver.start({ service: 'training', id: 'training-2', port: 0 })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect(first.lost).toHaveLength(1);
  });

  test('a holder that lost the lease does not overwrite the record of its successor', async () => {
    const { first, second } = await overtaken();
    const origin = () => ({ fingerprint: 'f', orchestrator_url: URL_OF_FIRST });
    const record = (id: string): InstanceRecord => ({
      ...{ service: 'training', id, host: '127.0.0.1', port: 1, state: 'ready', pid: 1 },
      ...{ restarts: 0, readyAfterMs: 1, reason: null },
    });
    await recordInstances(second.db, [record('of-second')], origin, (tx) => second.lease.isHeldIn(tx));
    await recordInstances(first.db, [record('of-first')], origin, (tx) => first.lease.isHeldIn(tx));
    expect((await leftInstances(second.db)).map(({ id }) => id)).toEqual(['of-second']);
  });

  test('a paused holder that was not replaced continues', async () => {
    const { clock, lease, lost } = await orchestrator(URL_OF_FIRST);
    await lease.acquire();
    clock.set(PAUSE);
    expect(await lease.mayAct()).toBe(true);
    expect(lost).toEqual([]);
  });
});
