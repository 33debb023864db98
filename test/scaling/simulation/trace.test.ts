import { ratesFromCsv } from './trace.js';

const csv = (...lines: string[]): string => lines.join('\n');

test('the rate of every second is linear between the points', () => {
  const rates = ratesFromCsv(csv('timestamp,value', '2026-01-01 00:00:00,10', '2026-01-01 00:00:04,30'));
  expect([...rates]).toEqual([10, 15, 20, 25, 30]);
});

test('the rates are scaled to a mean', () => {
  const rates = ratesFromCsv(csv('0,1', '2,3'), 500);
  expect([...rates]).toEqual([250, 500, 750]);
});

test('a load of zeros cannot be scaled', () => {
  expect([...ratesFromCsv(csv('0,0', '2,0'), 500)]).toEqual([0, 0, 0]);
});

test.each([
  ['seconds', '1000000000,4', '1000000002,8'],
  ['milliseconds', '1700000000000,4', '1700000002000,8'],
  ['a zone', '2026-01-01T00:00:00+01:00,4', '2025-12-31T23:00:02Z,8'],
  ['quotes, spaces and no order', '"2026-01-01 00:00:02", 8', ' 2026-01-01 00:00:00 ,4'],
])('timestamps with %s are understood', (_, ...lines) => {
  expect([...ratesFromCsv(csv(...lines))]).toEqual([4, 6, 8]);
});

test('of two values at the same time the last one counts', () => {
  expect([...ratesFromCsv(csv('0,1', '1,5', '1,9', '2,9'))]).toEqual([1, 9, 9]);
});

test.each([
  ['line 3', csv('timestamp,value', '0,1', '5,many')],
  ['line 2', csv('0,1', '5,')],
  ['line 2', csv('0,1', '5,-1')],
  ['line 2', csv('0,1', 'yesterday,2')],
  ['two points', csv('timestamp,value', '0,1')],
  ['a year', csv('0,1', '40000000,1')],
])('an invalid file is refused with the reason: %s', (reason, text) => {
  expect(() => ratesFromCsv(text)).toThrow(reason);
});
