import { LoadBalancer, type Fitness } from '../../src/routing/load-balancer.js';
import { ResilienceError } from '../../src/shared/errors.js';
import { FakeClock } from '../../src/testing.js';
import { seededRandom } from '../support/seeded-random.js';

const clock = new FakeClock();

test('contract: targets come and go by either name, and the next one is told', () => {
  const balancer = new LoadBalancer('round-robin', { clock });
  expect(balancer.nextTarget()).toBeNull();
  balancer.addTarget({ id: 'a', port: 3001 });
  balancer.addInstance({ id: 'b', port: 3002, host: 'other', weight: 2 });
  balancer.addTarget('https://third.example');
  expect(balancer.nextTarget()).toEqual({
    id: 'a',
    host: '127.0.0.1',
    port: 3001,
    protocol: 'http',
    origin: 'http://127.0.0.1:3001',
    weight: 1,
    zone: undefined,
  });
  expect(balancer.nextTarget()).toMatchObject({ id: 'b', origin: 'http://other:3002', weight: 2 });
  expect(balancer.nextTarget()).toMatchObject({ id: 'third.example:443', protocol: 'https' });
  expect(balancer.removeTarget('a')).toBe(true);
  expect(balancer.removeInstance('a')).toBe(false);
  expect(balancer.size).toBe(2);
});

test('wrong algorithms, targets and options say what was expected', () => {
  expect(() => new LoadBalancer('random' as 'weighted')).toThrow(/one of round-robin.*got 'random'/);
  expect(() => new LoadBalancer({} as 'weighted')).toThrow(/update, pick/);
  expect(() => new LoadBalancer('weighted', { slowstart: 1 } as object)).toThrow(/did you mean 'slowStart'/);
  const balancer = new LoadBalancer('weighted');
  expect(() => balancer.addTarget({ port: 70_000 })).toThrow(/a port from 1 to 65535/);
  expect(() => balancer.addTarget({ port: 1, weight: 0 })).toThrow(/weight/);
  expect(() => balancer.addTarget('http://host/path')).toThrow(/origin, without path/);
  expect(() => balancer.addTarget('not a url')).toThrow(/expected a URL/);
});

test('a target added again takes its new weight; at another address it is another', () => {
  const balancer = new LoadBalancer('weighted', { clock });
  const first = balancer.addTarget({ id: 'a', port: 1 });
  expect(balancer.addTarget({ id: 'a', port: 1, weight: 3 })).toBe(first);
  expect(first.weight(Infinity)).toBe(3);
  expect(balancer.addTarget({ id: 'a', port: 2 })).not.toBe(first);
  expect(balancer.size).toBe(1);
});

test('begin counts in flight until its end, once', () => {
  const balancer = new LoadBalancer('least-connections', { clock });
  balancer.addTarget({ id: 'a', port: 1 });
  balancer.addTarget({ id: 'b', port: 2 });
  const end = balancer.begin('a');
  expect(balancer.nextTarget()?.id).toBe('b');
  expect(balancer.getLoadStats()).toMatchObject({ a: { inFlight: 1, requests: 1 }, b: { inFlight: 0 } });
  clock.tick(40);
  end(false);
  end();
  expect(balancer.getLoadStats()['a']).toMatchObject({ inFlight: 0, requests: 1, failures: 1 });
  expect(() => balancer.begin('nobody')).toThrow(ResilienceError);
});

test('an error costs latency: failing fast does not attract traffic', () => {
  const balancer = new LoadBalancer('p2c-ewma', { clock, random: seededRandom(1) });
  balancer.addTarget({ id: 'sick', port: 1 });
  balancer.addTarget({ id: 'well', port: 2 });
  balancer.recordRequest('sick', 1, false);
  balancer.recordRequest('well', 50);
  balancer.recordRequest('nobody', 1);
  for (let i = 0; i < 100; i++) expect(balancer.nextTarget()?.id).toBe('well');
});

test('an answer that is overdue makes an instance look slow: frozen ones do not look idle', () => {
  const balancer = new LoadBalancer('p2c-ewma', { clock, random: seededRandom(1) });
  for (const id of ['frozen', 'well']) {
    balancer.addTarget({ id, port: id.length });
    balancer.recordRequest(id, 10);
  }
  balancer.begin('frozen');
  clock.tick(30_000); // both estimates have decayed to nothing
  balancer.recordRequest('well', 10);
  for (let i = 0; i < 100; i++) expect(balancer.nextTarget()?.id).toBe('well');
});

test('peak EWMA: up at once, down over ten seconds', () => {
  const balancer = new LoadBalancer('p2c-ewma', { clock });
  balancer.addTarget({ id: 'a', port: 1 });
  const ewma = (): number => balancer.getLoadStats()['a']!.ewma;
  balancer.recordRequest('a', 10);
  expect(ewma()).toBe(10);
  balancer.recordRequest('a', 500);
  expect(ewma()).toBe(500);
  clock.tick(10_000);
  balancer.recordRequest('a', 10);
  expect(ewma()).toBeCloseTo(500 / Math.E + 10 * (1 - 1 / Math.E), 5);
});

test('p2c-ewma moves traffic off an instance made 10 times slower within 2 seconds', () => {
  const time = new FakeClock();
  const balancer = new LoadBalancer('p2c-ewma', { clock: time, random: seededRandom(11) });
  const ids = ['a', 'b', 'c'];
  const latency: Record<string, number> = { a: 10, b: 10, c: 10 };
  ids.forEach((id, i) => balancer.addTarget({ id, port: i + 1 }));
  const run = (seconds: number): Record<string, number> => {
    const picked: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < seconds * 1000; i++) {
      const { id } = balancer.nextTarget()!;
      picked[id]!++;
      const end = balancer.begin(id);
      time.setTimer(end, latency[id]!);
      time.tick(1); // 1000 requests a second
    }
    return picked;
  };
  for (const count of Object.values(run(3))) expect(count).toBeGreaterThan(850);
  latency['a'] = 100;
  run(2);
  expect(run(1)['a']).toBeLessThan(100); // a tenth of the speed gets less than a tenth
});

test('slow start: a newcomer’s weight grows from a tenth to all of it', () => {
  const time = new FakeClock();
  const balancer = new LoadBalancer('weighted', { clock: time, slowStart: 10_000 });
  const instance = balancer.addTarget({ id: 'a', port: 1, weight: 4 });
  expect(instance.weight(time.now())).toBeCloseTo(0.4);
  time.tick(5000);
  expect(instance.weight(time.now())).toBeCloseTo(2);
  time.tick(5000);
  expect(instance.weight(time.now())).toBe(4);
});

describe('who may be picked', () => {
  const fitness = new Map<string, Fitness>();
  const judged = (zone?: string): LoadBalancer => {
    fitness.clear();
    return new LoadBalancer('round-robin', { clock, zone, fitness: ({ id }) => fitness.get(id) ?? 'usable' });
  };
  const picks = (balancer: LoadBalancer): string[] => {
    balancer.refresh();
    return [...new Set(Array.from({ length: 50 }, () => balancer.nextTarget()?.id ?? 'nobody'))].sort();
  };

  test('suspects get nothing while half of the others are well, and are used below that', () => {
    const balancer = judged();
    ['a', 'b', 'c', 'd'].forEach((id, i) => balancer.addTarget({ id, port: i + 1 }));
    fitness.set('a', 'suspect').set('b', 'suspect');
    expect(picks(balancer)).toEqual(['c', 'd']);
    fitness.set('c', 'suspect');
    expect(picks(balancer)).toEqual(['a', 'b', 'c', 'd']);
    expect(balancer.getStats()).toMatchObject({ panic: true, candidates: 4 });
  });

  test('the closed get nothing, whatever happens', () => {
    const balancer = judged();
    ['a', 'b'].forEach((id, i) => balancer.addTarget({ id, port: i + 1 }));
    fitness.set('a', 'closed').set('b', 'suspect');
    expect(picks(balancer)).toEqual(['b']);
    fitness.set('b', 'closed');
    expect(picks(balancer)).toEqual(['nobody']);
  });

  test('the own zone is preferred while half of it is well', () => {
    const balancer = judged('here');
    balancer.addTarget({ id: 'a', port: 1, zone: 'here' });
    balancer.addTarget({ id: 'b', port: 2, zone: 'here' });
    balancer.addTarget({ id: 'c', port: 3, zone: 'there' });
    balancer.addTarget({ id: 'd', port: 4 });
    expect(picks(balancer)).toEqual(['a', 'b']);
    fitness.set('a', 'suspect');
    expect(picks(balancer)).toEqual(['b']);
    fitness.set('b', 'suspect');
    expect(picks(balancer)).toEqual(['c', 'd']);
  });
});

test('setAlgorithm takes effect with the next request; rebalance forgets speeds, not requests', () => {
  const balancer = new LoadBalancer('round-robin', { clock });
  balancer.addTarget({ id: 'a', port: 1 });
  balancer.begin('a');
  balancer.recordRequest('a', 900);
  balancer.setAlgorithm('least-connections');
  expect(balancer.algorithm).toBe('least-connections');
  expect(balancer.nextTarget()?.id).toBe('a');
  expect(balancer.rebalance().instances[0]).toMatchObject({ ewma: 0, inFlight: 1, requests: 2 });
});
