/**
 * The requirements on every scaling driver, as cases that users can run on their own drivers. They start real
 * instances.
 */
import { deepStrictEqual, match, notStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict';
import { get } from 'node:http';
import type { InstanceSpec, RunningInstance, ScalingDriver } from '../scaling/driver.js';
import type { ConformanceCase } from './conformance-case.js';

/**
 * The behaviour of an instance.
 *
 * - `serves`: answers every request with its process id, and ends when it is stopped.
 * - `silent`: runs and never reports ready.
 * - `dies`: ends with code 3 instead of becoming ready.
 * - `deaf`: serves, but does not end when it is stopped.
 */
export type InstanceBehaviour = 'serves' | 'silent' | 'dies' | 'deaf';

/** The driver under test. */
export interface ScalingDriverFixture {
  /** A driver with instances of this behaviour. Its timeout for silent instances is short. The case closes it. */
  readonly driverOf: (behaviour: InstanceBehaviour) => ScalingDriver;
  /** Runs after the case, even if it failed. */
  readonly close?: () => void | Promise<void>;
}

type Check = (driverOf: ScalingDriverFixture['driverOf']) => Promise<void>;

const spec = (number: number): InstanceSpec => ({ service: 'demo', id: `demo-${number}`, port: 0 });

/** The process id in the response, over a new connection; undefined if there is no response. */
function ask({ host, port }: RunningInstance): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get({ host, port, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.once('end', () => resolve(Number(text)));
    });
    request.once('error', () => resolve(undefined));
  });
}

function isAlive(pid: number | undefined): boolean {
  try {
    return process.kill(pid ?? 0, 0);
  } catch {
    return false;
  }
}

const failsToStart = { code: 'START_FAILED' };

const CHECKS: Readonly<Record<string, Check>> = {
  'an instance serves at its reported address once the start has settled': async (driverOf) => {
    const instance = await driverOf('serves').start(spec(1));
    strictEqual(instance.id, 'demo-1');
    ok(instance.port > 0, 'the port is reported');
    ok(instance.readyAfter >= 0);
    strictEqual(await ask(instance), instance.pid);
  },
  'a stop settles when the instance has ended, and reports how it ended': async (driverOf) => {
    const driver = driverOf('serves');
    const instance = await driver.start(spec(1));
    await driver.stop(instance);
    strictEqual(isAlive(instance.pid), false);
    deepStrictEqual(await instance.exited, { code: 0, signal: null });
    strictEqual(await ask(instance), undefined);
    await driver.stop(instance);
  },
  'an instance that does not end is ended by force': async (driverOf) => {
    const driver = driverOf('deaf');
    const instance = await driver.start(spec(1));
    await driver.stop(instance, 50);
    strictEqual(isAlive(instance.pid), false);
  },
  'an unexpected end of an instance is reported': async (driverOf) => {
    const instance = await driverOf('serves').start(spec(1));
    process.kill(instance.pid!, 'SIGKILL');
    deepStrictEqual(await instance.exited, { code: null, signal: 'SIGKILL' });
  },
  'several run side by side, and each ends alone': async (driverOf) => {
    const driver = driverOf('serves');
    const [first, second] = await Promise.all([driver.start(spec(1)), driver.start(spec(2))]);
    notStrictEqual(first.pid, second.pid);
    await driver.stop(first);
    strictEqual(await ask(second), second.pid);
  },
  'instances share a port, or each has its own': async (driverOf) => {
    const driver = driverOf('serves');
    const [first, second] = await Promise.all([driver.start(spec(1)), driver.start(spec(2))]);
    strictEqual(first.port === second.port, driver.sharesPort === true);
  },
  'an instance that ends before it is ready fails to start': async (driverOf) => {
    await rejects(driverOf('dies').start(spec(1)), failsToStart);
  },
  'an instance that never becomes ready fails to start': async (driverOf) => {
    await rejects(driverOf('silent').start(spec(1)), failsToStart);
  },
  'the message of a failed start names the instance': async (driverOf) => {
    const error: unknown = await driverOf('dies')
      .start(spec(7))
      .catch((thrown: unknown) => thrown);
    match((error as Error).message, /demo-7/);
  },
  'a start is cancelled when it is no longer wanted': async (driverOf) => {
    const unwanted = new AbortController();
    const started = driverOf('silent').start(spec(1), unwanted.signal);
    unwanted.abort();
    await rejects(started, failsToStart);
  },
  'a start that was cancelled before does not begin': async (driverOf) => {
    await rejects(driverOf('serves').start(spec(1), AbortSignal.abort()));
  },
  'close ends all instances, and can be called twice': async (driverOf) => {
    const driver = driverOf('serves');
    const instances = await Promise.all([driver.start(spec(1)), driver.start(spec(2))]);
    await driver.close();
    await driver.close();
    deepStrictEqual(
      instances.map(({ pid }) => isAlive(pid)),
      [false, false],
    );
  },
};

/**
 * The cases of every driver. Run each with a function that creates the fixture.
 *
 * @example
 * import { test } from 'node:test';
 * import { scalingDriverCases, type ScalingDriverFixture } from '@tooloo/resilience/testing';
 *
 * export function testDriver(create: () => ScalingDriverFixture): void {
 *   for (const { name, run } of scalingDriverCases) test(name, () => run(create));
 * }
 */
export const scalingDriverCases: readonly ConformanceCase<ScalingDriverFixture>[] = Object.entries(CHECKS).map(
  ([name, check]) => ({
    name,
    run: async (create) => {
      const fixture = await create();
      const drivers: ScalingDriver[] = [];
      try {
        await check((behaviour) => {
          const driver = fixture.driverOf(behaviour);
          drivers.push(driver);
          return driver;
        });
      } finally {
        await Promise.all(drivers.map((driver) => driver.close()));
        await fixture.close?.();
      }
    },
  }),
);
