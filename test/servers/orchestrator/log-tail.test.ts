import { LogTail } from '../../../servers/orchestrator/log-tail.js';

test('holds the last lines of each instance, oldest first', () => {
  const tail = new LogTail();
  for (let i = 0; i < 205; i++) tail.add(`line ${i}`, 'training-1');
  tail.add('another', 'training-2');
  expect(tail.of('training-1')).toHaveLength(200);
  expect(tail.of('training-1')![0]).toBe('line 5');
  expect(tail.of('training-2')).toEqual(['another']);
  expect(tail.of('nobody')).toBeUndefined();
});

test('a line is cut at the maximum length', () => {
  const tail = new LogTail();
  tail.add('x'.repeat(5_000), 'a');
  tail.add('y'.repeat(2_000), 'a');
  expect(tail.of('a')).toEqual([`${'x'.repeat(1_999)}…`, 'y'.repeat(2_000)]);
});

test('if there are too many instances, the one that has logged nothing for longest is removed', () => {
  const tail = new LogTail();
  for (let i = 0; i < 200; i++) tail.add('first', `one-${i}`);
  tail.add('second', 'one-0');
  tail.add('first', 'one-200');
  expect(tail.of('one-0')).toEqual(['first', 'second']);
  expect(tail.of('one-1')).toBeUndefined();
});
