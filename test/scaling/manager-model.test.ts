/** The invariants of the manager hold for any commands, also for concurrent ones. */
import { HorizontalScalingManager } from '../../src/scaling/horizontal-scaling-manager.js';
import type { ScalingRouter } from '../../src/scaling/manager-options.js';
import { ResilienceError } from '../../src/shared/errors.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import fc from '../support/fast-check.js';
import { ScriptedDriver } from '../support/scripted-driver.js';

const MIN = 1;
const MAX = 4;
const BASE = 3000;

/** Knows the instances that receive requests, and drains them immediately. */
class Router implements ScalingRouter {
  readonly targets = new Map<string, number>();
  addTarget(_service: string, { id, port }: { readonly id: string; readonly port: number }): void {
    this.targets.set(id, port);
  }
  removeTarget(_service: string, id: string): void {
    this.targets.delete(id);
  }
  drain(): Promise<void> {
    return Promise.resolve();
  }
}

function setUp(router: ScalingRouter = new Router()) {
  const clock = new FakeClock();
  const driver = new ScriptedDriver();
  const services = { demo: { port: BASE, min: MIN, max: MAX } };
  const manager = new HorizontalScalingManager({ driver, clock, router, services, settleTime: 100 });
  return { clock, driver, manager };
}

type Order =
  | { readonly kind: 'up' | 'down'; readonly count: number }
  | { readonly kind: 'start' | 'stop' | 'restart' | 'break' | 'mend' }
  | { readonly kind: 'crash' | 'migrate'; readonly which: number };

const order: fc.Arbitrary<Order> = fc.oneof(
  fc.record({ kind: fc.constantFrom('up' as const, 'down' as const), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constantFrom('start' as const, 'stop' as const, 'restart' as const) }),
  fc.record({ kind: fc.constantFrom('break' as const, 'mend' as const) }),
  fc.record({ kind: fc.constantFrom('crash' as const, 'migrate' as const), which: fc.nat(5) }),
);

/** Executes a command; its waits end as the test advances the clock. */
function give(manager: HorizontalScalingManager, driver: ScriptedDriver, one: Order): Promise<unknown> | undefined {
  switch (one.kind) {
    case 'up':
      return manager.scaleUp('demo', one.count);
    case 'down':
      return manager.scaleDown('demo', one.count);
    case 'start':
      return manager.startService('demo');
    case 'stop':
      return manager.stopService('demo');
    case 'restart':
      return manager.restartService('demo');
    case 'migrate': {
      const ready = manager.getInstanceDetails('demo').filter(({ state }) => state === 'ready');
      return manager.migrateInstance(ready[one.which % ready.length]?.port ?? 1, 5000 + (one.which % 2));
    }
    case 'crash': {
      const running = [...driver.running];
      const victim = running[one.which % running.length];
      driver.started.find(({ instance }) => instance === victim)?.end({ code: 1, signal: null });
      return undefined;
    }
    case 'break':
    case 'mend':
      driver.failWith = one.kind === 'break' ? new ResilienceError('START_FAILED', 'out of order') : undefined;
      return undefined;
  }
}

test('for any commands, also concurrent ones, no process leaks, no instance is lost and the bounds hold', async () => {
  const property = fc.asyncProperty(fc.array(fc.array(order, { maxLength: 4 }), { maxLength: 6 }), async (rounds) => {
    const router = new Router();
    const { clock, driver, manager } = setUp(router);
    const answers: Promise<unknown>[] = [];
    for (const together of rounds) {
      for (const one of together) {
        const answer = give(manager, driver, one)?.catch((error: { code?: unknown }) => {
          // A command may be refused or cancelled; any other error is a defect.
          expect(['CONFLICT', 'NOT_FOUND', 'START_FAILED']).toContain(error.code);
        });
        if (answer !== undefined) answers.push(answer);
        await clock.advance(0);
      }
      await clock.advance(1000);
      // During a migration there may be one instance more than `max`.
      expect(manager.getInstanceCount('demo')).toBeLessThanOrEqual(MAX + 1);
    }
    driver.failWith = undefined;
    await clock.advance(120_000);
    await Promise.all(answers);

    const details = manager.getInstanceDetails('demo');
    const ready = details.filter(({ state }) => state === 'ready');
    expect(details.every(({ state }) => ['ready', 'stopped', 'failed'].includes(state))).toBe(true);
    expect(ready.length).toBeLessThanOrEqual(MAX);
    const places = (all: Iterable<{ id: string; port: number }>) =>
      [...all].map(({ id, port }) => `${id} ${port}`).sort();
    expect(places(driver.running)).toEqual(places(ready));
    expect([...router.targets].map(([id, port]) => `${id} ${port}`).sort()).toEqual(places(ready));
    expect(new Set(ready.map(({ port }) => port)).size).toBe(ready.length);
    for (const { from, to, event, outcome } of manager.getScalingHistory({ limit: 1000 }))
      if (event === 'SCALE_DOWN' && outcome !== 'failed') expect([to >= MIN, to < from]).toEqual([true, true]);

    await manager.shutdown();
    expect(driver.running.size).toBe(0);
    expect(router.targets.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });
  await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 10_000 });
});

test('the manager waits for a router that never drains an instance only until the timeout', async () => {
  const stubborn = new Router();
  stubborn.drain = () => new Promise(() => {});
  const { clock, driver, manager } = setUp(stubborn);
  await manager.scaleUp('demo', 2);
  const down = manager.scaleDown('demo');
  await clock.advance(9_999);
  expect(driver.running.size).toBe(2);
  await clock.advance(1);
  expect(await down).toMatchObject({ from: 2, to: 1 });
  await manager.shutdown();
  expect(clock.pendingTimers).toBe(0);
});

test('an instance is drained after its successor is known for the settle time, and then stopped', async () => {
  const { clock, driver, manager } = setUp();
  await manager.scaleUp('demo');
  const moved = manager.migrateInstance(BASE, 4000);
  const states = (): string[] => manager.getInstanceDetails('demo').map(({ port, state }) => `${port} ${state}`);
  await clock.advance(99);
  expect(states()).toEqual(['3000 ready', '4000 ready']);
  await clock.advance(1);
  expect(states()).toEqual(['3000 draining', '4000 ready']);
  expect(driver.running.size).toBe(2);
  await clock.advance(100);
  expect(await moved).toMatchObject({ removed: [{ port: BASE }], added: [{ port: 4000 }] });
  expect(states()).toEqual(['4000 ready']);
  await manager.shutdown();
});
