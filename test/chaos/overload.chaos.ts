/** More load than one instance can serve: the fleet scales from what the callers feel, and ends no instance. */
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { buildFleet, isAlive, startFleet, type RunningFleet } from '../support/fleet.js';
import { analyze, call, historyOf } from './callers.js';
import { UNLIMITED } from './catalogue.js';

jest.setTimeout(300_000);

const MOST = 3;
const CALLERS = 80;
/** Milliseconds of load after the last instance is ready. */
const LASTING = 20_000;

let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  fleet = await startFleet({ ...UNLIMITED, SCALING_MAX: String(MOST), SCALING_INTERVAL_MS: '2000' });
  web = await fleet.urlOf('web');
});

afterAll(() => fleet.stop());

const instancesOf = async (service: string) => (await fleet.instances()).filter((one) => one.service === service);

test('a service that its callers wait for gets all its instances, and none of them is ended', async () => {
  const pids = new Set((await instancesOf('segmentation')).map(({ pid }) => pid!));
  const end = call(CALLERS, () => analyze(web));
  // One more after the other: a step may take as long as `eventually` waits.
  for (let size = 2; size <= MOST; size++) {
    await eventually(
      () => instancesOf('segmentation'),
      (now) => now.filter(({ state }) => state === 'ready').length >= size,
    );
  }
  for (const { pid } of await instancesOf('segmentation')) pids.add(pid!);
  await pause(LASTING);
  const dead = [...pids].filter((pid) => !isAlive(pid));
  const seen = await end();
  const history = await historyOf(fleet, 'segmentation');
  process.stdout.write(
    `overload: ${JSON.stringify(seen)}, ${history.map(({ event, reason }) => `${event}: ${reason}`).join('; ')}\n`,
  );
  expect(dead).toEqual([]);
  expect(history.map(({ event }) => event)).not.toContain('CRASH');
  expect(history.filter(({ event }) => event === 'SCALE_UP').map(({ reason }) => reason)).toEqual(
    expect.arrayContaining([expect.stringMatching(/callers|in flight|waiting/)]),
  );
  // A request that the machine cannot serve in time is refused with 503 or 504. Nothing breaks.
  expect(Object.keys(seen).filter((status) => !['200', '503', '504'].includes(status))).toEqual([]);
  expect(seen['200']).toBeGreaterThan(0);
});

test('a spike on a light route fails no request and changes no process', async () => {
  const before = (await fleet.instances()).map(({ pid }) => pid!);
  const end = call(200, () => fetch(`${web}/api/v1/training/overview`));
  await pause(10_000);
  const seen = await end();
  expect(Object.keys(seen)).toEqual(['200']);
  expect(before.filter((pid) => !isAlive(pid))).toEqual([]);
});
