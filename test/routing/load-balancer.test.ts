import { LoadBalancer, type Fitness } from '../../src/routing/load-balancer.js';
import { ResilienceError } from '../../src/shared/errors.js';
import { FakeClock } from '../../src/testing.js';
import { seededRandom } from '../support/seeded-random.js';

const clock = new FakeClock();

test('contract: either method name adds and removes targets, and nextTarget returns the next one', () => {
  const balancer = new LoadBalancer('round-robin', { clock });
  expect(balancer.nextTarget()).toBeNull();
  balancer.addTarget({ id: 'a', port: 3001 });
  balancer.addInstance({ id: 'b', port: 3002, host: 'other', weight: 2 });
  balancer.addTarget('https://third.example');
  expect(balancer.nextTarget()).toMatchObject({
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

test('an id given as a number becomes a string of its digits, and either form finds it later', () => {
  const balancer = new LoadBalancer('round-robin', { clock });
  for (const id of [1, 0, '7']) balancer.addTarget({ id, port: 3001 });
  balancer.addInstance({ id: 2.5, url: 'http://other:80' });
  expect([...balancer.instances()].map(({ target }) => target.id)).toEqual(['1', '0', '7', '2.5']);
  expect(balancer.addTarget({ id: '1', port: 3001 })).toBe(balancer.get(1));
  expect(balancer.get(7)).toBe(balancer.get('7'));
  balancer.begin(1)();
  balancer.recordRequest(7, 5);
  expect(balancer.getLoadStats()['1']).toMatchObject({ requests: 1, inFlight: 0 });
  expect(balancer.getLoadStats()['7']).toMatchObject({ requests: 1 });
  expect(balancer.nextTarget()?.id).toBe('1');
  expect([balancer.removeTarget(0), balancer.removeInstance('7'), balancer.removeTarget(7)]).toEqual([
    true,
    true,
    false,
  ]);
  for (const id of [NaN, Infinity]) expect(() => balancer.addTarget({ id, port: 1 })).toThrow(TypeError);
  expect(() => balancer.begin(9)).toThrow(ResilienceError);
});

test('wrong algorithms, targets and options say what was expected', () => {
  expect(() => new LoadBalancer('random' as 'weighted')).toThrow(/one of round-robin.*got 'random'/);
  expect(() => new LoadBalancer({} as 'weighted')).toThrow(/update, pick/);
  expect(() => new LoadBalancer('weighted', { slowstart: 1 } as object)).toThrow(/did you mean 'slowStart'/);
  const balancer = new LoadBalancer('weighted');
  expect(() => balancer.addTarget({ port: 70_000 })).toThrow(/a port from 1 to 65535/);
  expect(() => balancer.addTarget({ port: 1, weight: -1 })).toThrow(/weight/);
  expect(() => balancer.addTarget('http://host/path?query')).toThrow(/no query, fragment or credentials/);
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

test('peak EWMA: a quicker response does not raise the estimate after the clock went back', () => {
  const balancer = new LoadBalancer('p2c-ewma', { clock });
  balancer.addTarget({ id: 'a', port: 1 });
  balancer.recordRequest('a', 500);
  clock.set(clock.now() - 60_000);
  balancer.recordRequest('a', 10);
  expect(balancer.getLoadStats()['a']!.ewma).toBeLessThanOrEqual(500);
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

describe('instances that may be picked', () => {
  const fitness = new Map<string, Fitness>();
  const judged = (zone?: string): LoadBalancer => {
    fitness.clear();
    return new LoadBalancer('round-robin', { clock, zone, fitness: ({ id }) => fitness.get(id) ?? 'usable' });
  };
  const picks = (balancer: LoadBalancer): string[] => {
    balancer.refresh();
    return [...new Set(Array.from({ length: 50 }, () => balancer.nextTarget()?.id ?? 'nobody'))].sort();
  };

  test('suspects get no requests while half of the instances are healthy, and are used below that', () => {
    const balancer = judged();
    ['a', 'b', 'c', 'd'].forEach((id, i) => balancer.addTarget({ id, port: i + 1 }));
    fitness.set('a', 'suspect').set('b', 'suspect');
    expect(picks(balancer)).toEqual(['c', 'd']);
    fitness.set('c', 'suspect');
    expect(picks(balancer)).toEqual(['a', 'b', 'c', 'd']);
    expect(balancer.getStats()).toMatchObject({ panic: true, candidates: 4 });
  });

  test('closed instances get no requests, even if no other instance is left', () => {
    const balancer = judged();
    ['a', 'b'].forEach((id, i) => balancer.addTarget({ id, port: i + 1 }));
    fitness.set('a', 'closed').set('b', 'suspect');
    expect(picks(balancer)).toEqual(['b']);
    fitness.set('b', 'closed');
    expect(picks(balancer)).toEqual(['nobody']);
  });

  test('the local zone is preferred while half of its instances are healthy', () => {
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
