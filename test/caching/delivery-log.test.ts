import { DeliveryLog } from '../../src/caching/coordination/delivery-log.js';
import type { CoordinationMessage } from '../../src/caching/coordination/messages.js';

const shown = (name: string): string => name;

function message(name: string, count: number, rest: Partial<CoordinationMessage> = {}): CoordinationMessage {
  return { kind: 'key', name, origin: 'a#1', stamp: { time: 50, count }, ...rest };
}

const peersOf = (log: DeliveryLog) => log.recent(100, shown).map(({ name, peers }) => [name, peers]);

test('lists the latest invalidation first, with the delay of each peer', () => {
  const log = new DeliveryLog();
  log.published(message('x', 0), ['b', 'c'], 100);
  log.published(message('y', 1, { kind: 'tag', soft: true }), ['b'], 110);
  log.confirmed('b', [message('x', 0)], 104);
  expect(log.recent(100, shown)).toEqual([
    { at: 50, kind: 'tag', name: 'y', soft: true, by: 'a#1', peers: { b: null } },
    { at: 50, kind: 'key', name: 'x', soft: false, by: 'a#1', peers: { b: 4, c: null } },
  ]);
  expect(log.recent(1, () => 'hidden')).toMatchObject([{ name: 'hidden' }]);
});

test('a later message about the same, or everything, confirms those before it; another process’ or an earlier one does not', () => {
  const log = new DeliveryLog();
  log.published(message('x', 1), ['b'], 0);
  log.published(message('y', 3), ['b'], 0);
  log.confirmed('b', [message('x', 0), message('x', 9, { origin: 'c#1' }), message('x', 9, { kind: 'tag' })], 5);
  expect(peersOf(log)).toEqual([
    ['y', { b: null }],
    ['x', { b: null }],
  ]);
  log.confirmed('b', [message('x', 2)], 6);
  log.confirmed('b', [message('*', 4, { kind: 'pattern' })], 9);
  expect(peersOf(log)).toEqual([
    ['y', { b: 9 }],
    ['x', { b: 6 }],
  ]);
});

test('does not wait for a peer that left, and keeps the confirmations that the peer sent before', () => {
  const log = new DeliveryLog();
  log.published(message('x', 0), ['b', 'c'], 0);
  log.confirmed('b', [message('x', 0)], 1);
  log.forget('b');
  log.forget('c');
  expect(peersOf(log)).toEqual([['x', { b: 1 }]]);
});

test('delays are nearest ranks of the latest confirmations, and all of it is bounded', () => {
  const log = new DeliveryLog();
  expect(log.delays()).toEqual({ count: 0, p50: 0, p95: 0, p99: 0 });
  for (let i = 1; i <= 100; i++) {
    log.published(message(`k${i}`, i), ['b'], 0);
    log.confirmed('b', [message(`k${i}`, i)], i);
  }
  expect(log.delays()).toEqual({ count: 100, p50: 50, p95: 95, p99: 99 });
  for (let i = 101; i <= 1_000; i++) {
    log.published(message(`k${i}`, i), ['b'], 0);
    log.confirmed('b', [message(`k${i}`, i)], 7);
  }
  expect(log.delays()).toEqual({ count: 256, p50: 7, p95: 7, p99: 7 });
  expect(log.recent(5_000, shown)).toHaveLength(100);
});
