import fc from '../../support/fast-check.js';
import { LogTail, type HeldLines } from '../../../servers/support/log-tail.js';

const asIs = (text: string) => text;
const source = (instance: string) => ({ service: 'training', instance });
const line = (level: string, msg: string, at = 1_000) =>
  JSON.stringify({ level, time: new Date(at).toISOString(), service: 'training', msg });

function heldBy(tail: LogTail, instance: string): HeldLines | undefined {
  return tail.held().find((one) => one.source.instance === instance);
}
const textsOf = (held: HeldLines | undefined) => held?.lines.map((stored) => stored.line);

test('holds the last lines of each instance, oldest first, with their level and time', () => {
  const tail = new LogTail(asIs, { now: () => 77 });
  for (let i = 0; i < 1005; i++) tail.add(line('info', `line ${i}`, 1_000 + i), source('training-1'));
  tail.add('    at Object.<anonymous> (x.ts:1:2)', source('training-2'));
  const held = heldBy(tail, 'training-1')!;
  expect(held.lines).toHaveLength(1000);
  expect(held.lines[0]).toMatchObject({ level: 'info', at: 1_005, line: line('info', 'line 5', 1_005) });
  expect(held.droppedBefore).toBe(1_004);
  expect(heldBy(tail, 'training-2')!.lines).toMatchObject([{ level: undefined, at: 77, seq: 1006 }]);
  expect(heldBy(tail, 'training-2')!.droppedBefore).toBeUndefined();
  expect(heldBy(tail, 'nobody')).toBeUndefined();
});

test('many other lines do not push out a warning', () => {
  const tail = new LogTail(asIs);
  tail.add(line('warn', 'first'), source('a'));
  for (let i = 0; i < 5_000; i++) tail.add(line('info', `${i}`), source('a'));
  const held = heldBy(tail, 'a')!;
  expect(held.lines[0]!.line).toBe(line('warn', 'first'));
  expect(held.droppedBefore).toBe(1_000);
  expect(held.notableDroppedBefore).toBeUndefined();
});

test('a line is cut at the maximum length', () => {
  const tail = new LogTail(asIs);
  tail.add('x'.repeat(20_000), source('a'));
  tail.add('y'.repeat(4_000), source('a'));
  expect(textsOf(heldBy(tail, 'a'))).toEqual([`${'x'.repeat(3_999)}…`, 'y'.repeat(4_000)]);
});

test('a secret is removed before the line is cut, so that no part of it remains', () => {
  const tail = new LogTail((text) => text.replaceAll('s3cret', '[redacted]'));
  tail.add(`${'x'.repeat(3_996)}s3cret`, source('a'));
  expect(textsOf(heldBy(tail, 'a'))![0]).not.toContain('s3');
});

test('if there are too many instances, the one that has logged nothing for longest is removed', () => {
  const tail = new LogTail(asIs);
  for (let i = 0; i < 200; i++) tail.add('first', source(`one-${i}`));
  tail.add('second', source('one-0'));
  tail.add('first', source('one-200'));
  expect(textsOf(heldBy(tail, 'one-0'))).toEqual(['first', 'second']);
  expect(heldBy(tail, 'one-1')).toBeUndefined();
});

test('the memory is bounded for any output of the instances, and the lines are the latest ones in order', () => {
  const printed = fc.record({
    instance: fc.constantFrom('a', 'b'),
    level: fc.constantFrom('info', 'error'),
    length: fc.constantFrom(1, 300, 4_000, 16_000),
    times: fc.integer({ min: 1, max: 400 }),
  });
  fc.assert(
    fc.property(fc.array(printed, { maxLength: 12 }), (outputs) => {
      const tail = new LogTail(asIs);
      for (const { instance, level, length, times } of outputs)
        for (let i = 0; i < times; i++) tail.add(line(level, 'x'.repeat(length)), source(instance));
      for (const { lines } of tail.held()) {
        expect(lines.reduce((sum, stored) => sum + stored.line.length, 0)).toBeLessThanOrEqual(384_000);
        expect(lines.length).toBeLessThanOrEqual(1_300);
        const numbers = lines.map(({ seq }) => seq);
        expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
      }
      const newest = Math.max(0, ...tail.held().flatMap(({ lines }) => lines.map(({ seq }) => seq)));
      expect(newest).toBe(tail.last);
    }),
    { numRuns: 30 },
  );
});
