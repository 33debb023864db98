import { IntelligentRouter, type TargetChange } from '../../src/routing/intelligent-router.js';
import { LoadBalancer } from '../../src/routing/load-balancer.js';
import type { InstanceStatus } from '../../src/routing/monitor.js';
import { staticTargets } from '../../src/routing/sources/static-targets.js';
import type { DiscoveredTarget, TargetSource } from '../../src/routing/sources/target-source.js';
import { FakeClock } from '../../src/testing.js';

let clock: FakeClock;
let router: IntelligentRouter;
beforeEach(() => {
  clock = new FakeClock();
  router = new IntelligentRouter({ clock, balancer: 'round-robin' });
});
afterEach(() => router.close());

/** The ports that are picked within many requests. */
function picked(service = 's'): number[] {
  const ports = Array.from({ length: 40 }, () => router.routeRequest(service)?.port ?? 0);
  return [...new Set(ports)].sort();
}

const states = (service = 's'): string[] => router.getRoutingStats()[service]!.instances.map(({ state }) => state);

/** A monitor whose verdicts a test sets. */
function fakeMonitor() {
  const statuses = new Map<string, InstanceStatus>();
  const listeners = new Set<(change: { readonly service: string }) => unknown>();
  return {
    set(id: string, status: InstanceStatus) {
      statuses.set(id, status);
      for (const listener of listeners) listener({ service: 's' });
    },
    listeners,
    getHealth: () => ({ instances: [...statuses].map(([id, status]) => ({ id, status })) }),
    onInstanceChange(listener: (change: { readonly service: string }) => unknown) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

test('contract: routes each service to its own targets', () => {
  expect(router.routeRequest('s')).toBeNull();
  router.addTarget('s', 3001);
  router.addTarget('s', 3002, 2);
  router.addTarget('other', { port: 4001, host: 'away' });
  expect(picked()).toEqual([3001, 3002]);
  expect(picked('other')).toEqual([4001]);
  expect(router.getHealthyTargets('s').map(({ port, weight }) => [port, weight])).toEqual([
    [3001, 1],
    [3002, 2],
  ]);
  expect(router.removeTarget('s', 3001)).toBe(true);
  expect(router.removeTarget('s', 3001)).toBe(false);
  expect(picked()).toEqual([3002]);
  expect(router.services).toEqual(['s', 'other']);
});

test('recordLatency and its failures open the breaker that was set, and a probe closes it', () => {
  const target = router.addTarget('s', 1);
  router.addTarget('s', 2);
  router.setCircuitBreaker(target, 3);
  router.recordLatency(target, 5, true);
  for (let i = 0; i < 3; i++) router.recordLatency('127.0.0.1:1', 5, false);
  expect(picked()).toEqual([2]);
  expect(states()).toEqual(['circuit-open', 'usable']);
  clock.tick(5000);
  expect(picked()).toEqual([1, 2]);
  expect(states()).toEqual(['probing', 'usable']);
  router.recordLatency(1, 5, true);
  expect(states()).toEqual(['usable', 'usable']);
  expect(router.getRoutingStats()['s']!.instances[0]).toMatchObject({ requests: 5, failures: 3 });
});

describe('passive ejection', () => {
  const fail = (port: number, times = 5): void => {
    for (let i = 0; i < times; i++) {
      const route = router.acquireTarget('s', `127.0.0.1:${port}`);
      route?.answered('bad'); // a 5xx: it can be reached, so the breaker stays closed
      route?.end();
    }
  };
  beforeEach(() => {
    for (const port of [1, 2, 3]) router.addTarget('s', port);
  });

  test('five server errors in a row eject for 30 s, then 60 s, at most 300 s', () => {
    fail(1, 4);
    expect(states()).toEqual(['usable', 'usable', 'usable']);
    fail(1, 1);
    expect(states()).toEqual(['ejected', 'usable', 'usable']);
    expect(picked()).toEqual([2, 3]);
    for (const [count, duration] of [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300].entries()) {
      if (count > 0) fail(1);
      clock.tick(duration * 1000 - 1);
      expect(states()[0]).toBe('ejected');
      clock.tick(1);
      expect(states()[0]).toBe('usable');
    }
  });

  test('a success in between starts the count again', () => {
    fail(1, 4);
    const route = router.acquireTarget('s', '127.0.0.1:1')!;
    route.answered('good');
    route.end();
    fail(1, 4);
    expect(states()[0]).toBe('usable');
  });

  test('having no room ejects no instance, and does not start the count again', () => {
    const refuse = (): void => {
      const route = router.acquireTarget('s', '127.0.0.1:1')!;
      route.answered('busy');
      route.end();
    };
    for (let i = 0; i < 20; i++) refuse();
    expect(states()[0]).toBe('usable');
    fail(1, 4);
    refuse();
    fail(1, 1);
    expect(states()[0]).toBe('ejected');
    expect(router.getRoutingStats()['s']!.instances[0]).toMatchObject({ failures: 5, busy: 21, circuit: 'closed' });
  });

  test('having no room costs twice as much each second, and never more than an error', () => {
    const route = router.acquireTarget('s', '127.0.0.1:1')!;
    const { instance } = route;
    const cost = (): number => Math.round(instance.cost(clock.now()) / (instance.inFlight + 1));
    route.answered('good');
    instance.observe(100, 'good', clock.now());
    for (let i = 0; i < 50; i++) instance.observe(1, 'busy', clock.now());
    expect(cost()).toBe(200);
    clock.tick(1000);
    const decayed = cost();
    instance.observe(1, 'busy', clock.now());
    expect(Math.abs(cost() - 2 * decayed)).toBeLessThan(2);
    for (let i = 0; i < 20; i++) {
      clock.tick(1000);
      instance.observe(1, 'busy', clock.now());
    }
    expect(cost()).toBe(1000);
    route.end();
  });

  test('an instance that has only ever refused requests counts as slow as an unknown one', () => {
    const route = router.acquireTarget('s', '127.0.0.1:1')!;
    route.answered('busy');
    route.end();
    expect(route.instance.cost(clock.now())).toBe(1000);
  });

  test('never more than a tenth are out, but always one', () => {
    fail(1);
    fail(2);
    expect(states()).toEqual(['ejected', 'usable', 'usable']);
    for (let port = 4; port <= 20; port++) router.addTarget('s', port);
    fail(2);
    fail(3);
    expect(states().filter((state) => state === 'ejected')).toHaveLength(2);
  });

  test('good conduct is remembered: ejections are forgiven one by one', () => {
    fail(1);
    clock.tick(30_000 + 30_000);
    const route = router.acquireTarget('s', '127.0.0.1:1')!;
    route.answered('good');
    route.end();
    expect(router.getRoutingStats()['s']!.instances[0]!.ejections).toBe(0);
  });

  test('with the middle of a body cut off counts, too', () => {
    for (let i = 0; i < 5; i++) {
      const route = router.acquireTarget('s', '127.0.0.1:1')!;
      route.answered('good');
      route.failed();
      route.end();
    }
    expect(states()[0]).toBe('usable'); // each began well: not in a row
    fail(1, 4);
    const route = router.acquireTarget('s', '127.0.0.1:1');
    route?.failed();
    route?.end();
    expect(states()[0]).toBe('ejected');
  });
});

describe('frozen instances', () => {
  test('silence for two seconds while requests wait ejects, an answer brings back', () => {
    router.addTarget('s', 1);
    router.addTarget('s', 2);
    const changes: string[] = [];
    router.onTargetChange(({ target, state }) => changes.push(`${target.port} ${state}`));
    const stuck = router.acquireTarget('s', '127.0.0.1:1')!;
    clock.tick(1900);
    expect(states()).toEqual(['usable', 'usable']);
    clock.tick(400);
    expect(states()).toEqual(['stalled', 'usable']);
    expect(picked()).toEqual([2]);
    stuck.answered('good');
    stuck.end();
    expect(states()).toEqual(['usable', 'usable']);
    expect(changes).toEqual(['1 stalled', '1 up']);
  });

  test('an instance known to take long is given the time', () => {
    router.addTarget('s', 1);
    const slow = router.acquire('s')!;
    clock.tick(1900);
    slow.answered('good');
    slow.end();
    router.acquire('s');
    clock.tick(2500);
    expect(states()).toEqual(['usable']);
    clock.tick(1000);
    expect(states()).toEqual(['stalled']);
  });

  test('a body that streams for long is no silence', () => {
    router.addTarget('s', 1);
    const stream = router.acquire('s')!;
    stream.answered('good');
    clock.tick(60_000);
    expect(states()).toEqual(['usable']);
    expect(router.getRoutingStats()['s']!.inFlight).toBe(1);
    stream.end();
    stream.end();
    expect(router.getRoutingStats()['s']!.inFlight).toBe(0);
  });
});

describe('breakers', () => {
  test('unreachable five times in a row opens; one probe at a time; others take what it may not', () => {
    router.addTarget('s', 1);
    router.addTarget('s', 2);
    for (let i = 0; i < 5; i++) {
      const route = router.acquireTarget('s', '127.0.0.1:1')!;
      route.failed();
      route.end();
    }
    expect(states()[0]).toBe('circuit-open');
    clock.tick(60_000); // the ejection is over, too
    const held = new Set<number>();
    const routes = Array.from({ length: 10 }, () => router.acquire('s')!);
    for (const route of routes) held.add(route.target.port);
    expect(routes.filter(({ target }) => target.port === 1)).toHaveLength(1);
    expect([...held].sort()).toEqual([1, 2]);
  });

  test('a refused connection opens it at once, a reset one does not; without a breaker nothing does', () => {
    const refused = Object.assign(new Error('nobody listens'), { code: 'ECONNREFUSED' });
    const reset = Object.assign(new Error('gone'), { code: 'ECONNRESET' });
    const unbroken = new IntelligentRouter({ clock, circuitBreaker: false });
    for (const one of [router, unbroken]) {
      for (const port of [1, 2]) one.addTarget('s', port);
      for (const [port, error] of [
        [1, refused],
        [2, reset],
      ] as const) {
        const route = one.acquireTarget('s', `127.0.0.1:${port}`)!;
        route.failed(error);
        route.end();
      }
    }
    expect(states()).toEqual(['circuit-open', 'usable']);
    clock.tick(1000); // the first probe is refused, too
    const probe = router.acquireTarget('s', '127.0.0.1:1')!;
    probe.failed(refused);
    probe.end();
    clock.tick(1999);
    expect(states()[0]).toBe('circuit-open');
    clock.tick(1);
    expect(states()[0]).toBe('probing');
    expect(unbroken.getRoutingStats()['s']!.instances.map(({ state }) => state)).toEqual(['usable', 'usable']);
    unbroken.close();
  });

  test('an address without a listener is reported for every service that has it', () => {
    router.addTarget('s', 1);
    router.addTarget('s', 2);
    router.addTarget('t', { id: 'named', port: 1 });
    router.reportRefused({ origin: 'http://127.0.0.1:1' });
    expect([...states(), ...states('t')]).toEqual(['circuit-open', 'usable', 'circuit-open']);
  });

  test('a request given up on this side is no failure', () => {
    router.addTarget('s', 1);
    for (let i = 0; i < 20; i++) router.acquire('s')!.end();
    expect(router.getRoutingStats()['s']!.instances[0]).toMatchObject({ failures: 0, circuit: 'closed', inFlight: 0 });
  });
});

describe('active checks', () => {
  test('unhealthy and never checked get nothing; below half, all are used', () => {
    const monitor = fakeMonitor();
    monitor.set('127.0.0.1:1', 'unknown');
    router = new IntelligentRouter({ clock, monitor, balancer: 'round-robin' });
    for (const port of [1, 2, 3]) router.addTarget('s', port);
    expect(picked()).toEqual([2, 3]);
    monitor.set('127.0.0.1:1', 'healthy');
    expect(picked()).toEqual([1, 2, 3]);
    monitor.set('127.0.0.1:2', 'unhealthy');
    expect(picked()).toEqual([1, 3]);
    expect(router.getHealthyTargets('s').map(({ port }) => port)).toEqual([1, 3]);
    monitor.set('127.0.0.1:3', 'unhealthy');
    expect(picked()).toEqual([1, 2, 3]);
    expect(router.getRoutingStats()['s']!.panic).toBe(true);
    monitor.set('127.0.0.1:3', 'degraded');
    expect(picked()).toEqual([1, 3]);
    router.close();
    expect(monitor.listeners.size).toBe(0);
  });
});

describe('drain', () => {
  test('nothing new, and settled when what is in flight has ended', async () => {
    router.addTarget('s', 1);
    router.addTarget('s', 2);
    const route = router.acquireTarget('s', '127.0.0.1:1')!;
    let drained = false;
    const done = router.drain(1).then(() => (drained = true));
    expect(picked()).toEqual([2]);
    expect(router.acquireTarget('s', '127.0.0.1:1')).toBeUndefined();
    await Promise.resolve();
    expect(drained).toBe(false);
    route.answered('good');
    route.end();
    await done;
    await router.drain('127.0.0.1:2');
    expect(router.routeRequest('s')).toBeNull();
    router.addTarget('s', 1); // and back
    expect(picked()).toEqual([1]);
  });
});

describe('sources', () => {
  test('a router follows the targets that a source reports, weights and drains included', () => {
    let tell: (targets: readonly DiscoveredTarget[]) => void = () => undefined;
    let unsubscribed = 0;
    const source: TargetSource = {
      subscribe(service, listener) {
        expect(service).toBe('s');
        tell = listener;
        return () => unsubscribed++;
      },
      close: () => undefined,
    };
    const changes: TargetChange[] = [];
    router.onTargetChange((change) => changes.push(change));
    const stop = router.follow('s', source);
    router.addTarget('s', 9); // added by hand: the source does not control it
    tell([{ port: 1 }, { port: 2, weight: 3 }]);
    expect(picked()).toEqual([1, 2, 9]);
    tell([{ port: 1, draining: true }, { url: 'http://127.0.0.1:3' }]);
    tell([{ port: 1, draining: true }, { url: 'http://127.0.0.1:3' }]);
    expect(picked()).toEqual([3, 9]);
    tell([{ port: 1 }, { port: 3 }]);
    expect(picked()).toEqual([1, 3, 9]);
    stop();
    stop();
    router.follow('s', source);
    router.close();
    expect(unsubscribed).toBe(2);
    expect(changes.map(({ target, state }) => `${target.port} ${state}`)).toEqual([
      '9 up',
      '1 up',
      '2 up',
      '1 draining',
      '3 up',
      '2 removed',
      '1 up',
    ]);
  });

  test('static targets are checked where they are written', () => {
    expect(() => staticTargets(['nonsense'])).toThrow(/expected a URL/);
    expect(() => staticTargets('http://a' as never)).toThrow(/an array/);
    router.follow('s', staticTargets(['http://127.0.0.1:1', { url: 'http://127.0.0.1:2', weight: 2 }, { port: 3 }]));
    expect(picked()).toEqual([1, 2, 3]);
  });
});

test('slow start: one that returns starts slowly again', () => {
  const monitor = fakeMonitor();
  router = new IntelligentRouter({ clock, monitor, balancer: 'round-robin', slowStart: 10_000 });
  router.addTarget('s', 1);
  router.addTarget('s', 2);
  clock.tick(10_000);
  monitor.set('127.0.0.1:2', 'unhealthy');
  router.routeRequest('s');
  monitor.set('127.0.0.1:2', 'healthy');
  const ports = Array.from({ length: 220 }, () => router.routeRequest('s')!.port);
  const share = ports.filter((port) => port === 2).length / ports.length;
  expect(share).toBeCloseTo(0.1 / 1.1, 1);
});

test('the balancer may be a name, a LoadBalancer or a function; a wrong one fails at once', () => {
  const algorithmOf = (balancer: ConstructorParameters<typeof IntelligentRouter>[0]): string => {
    const one = new IntelligentRouter({ clock, ...balancer });
    one.addTarget('s', 1);
    one.close();
    return one.getRoutingStats()['s']!.algorithm;
  };
  expect(algorithmOf({})).toBe('p2c-ewma');
  expect(algorithmOf({ balancer: 'ip-hash' })).toBe('ip-hash');
  expect(algorithmOf({ balancer: new LoadBalancer('weighted') })).toBe('weighted');
  expect(algorithmOf({ balancer: (service) => (service === 's' ? 'least-connections' : 'weighted') })).toBe(
    'least-connections',
  );
  expect(() => new IntelligentRouter({ balancer: 'none' as 'weighted' })).toThrow(/one of/);
  expect(() => new IntelligentRouter({ outlier: { consecutive: 0 } })).toThrow(/consecutive/);
});

test('closing ends timers and is final', () => {
  router.addTarget('s', 1);
  router.acquire('s')!.end();
  expect(clock.pendingTimers).toBe(1);
  router.close();
  router.destroy();
  expect(clock.pendingTimers).toBe(0);
  expect(router.acquire('s')).toBeDefined();
  expect(clock.pendingTimers).toBe(0);
});
