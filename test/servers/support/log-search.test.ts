import fc from '../../support/fast-check.js';
import { readLogLine } from '../../../servers/dashboard/model/log-line.js';
import { followed, MOST_LINES, type ShownLogs } from '../../../servers/dashboard/model/followed-logs.js';
import { LEVELS } from '../../../servers/support/log-level.js';
import { logQuery, positionsOf, searchLogs, type LogQuery } from '../../../servers/support/log-search.js';
import { LogTail } from '../../../servers/support/log-tail.js';

const query = (given: object): LogQuery => logQuery.parse(given);
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

const line = (level: string, msg: string, more: object = {}, at = 1_000) =>
  JSON.stringify({ level, time: new Date(at).toISOString(), ...more, msg });

function tailOf(...printed: readonly (readonly [instance: string, line: string])[]): LogTail {
  const tail = new LogTail((text) => text, { now: () => 5_000 });
  for (const [instance, text] of printed) tail.add(text, { service: instance.replace(/-\d+$/, ''), instance });
  return tail;
}
const messages = (tail: LogTail, given: object) =>
  searchLogs(tail, query(given)).lines.map((found) => readLogLine(found.line).text);

describe('a search', () => {
  const tail = tailOf(
    ['web-1', line('info', 'request', { status: 200, route: '/api/v1/training/*path', traceId: TRACE }, 1_000)],
    ['training-1', line('warn', 'request failed', { status: 503 }, 2_000)],
    [
      'training-2',
      line('error', 'broken', { err: { type: 'TypeError', message: 'no', stack: 'at deep.ts:7' } }, 3_000),
    ],
    ['training-2', '    at Object.<anonymous> (x.ts:1:2)'],
  );

  test.each([
    [{}, 4],
    [{ level: 'warn' }, 3],
    [{ level: 'fatal' }, 1],
    [{ service: 'training' }, 3],
    [{ instance: 'training-2' }, 2],
    [{ trace: TRACE }, 1],
    [{ from: 2_000, to: 3_000 }, 1],
    [{ text: 'STATUS=503' }, 1],
    [{ text: 'request !status=200' }, 1],
    [{ text: 'training-2 !broken' }, 1],
    [{ text: 'deep.ts' }, 1],
    [{ text: 'typeerror: no' }, 1],
    [{ text: 'nowhere' }, 0],
    [{ limit: 2 }, 2],
  ])('%j finds %d', (given, found) => {
    expect(searchLogs(tail, query(given)).lines).toHaveLength(found);
  });

  test('the latest lines are returned, oldest first, and whether there are older ones', () => {
    expect(searchLogs(tail, query({ limit: 2 }))).toMatchObject({
      hasMore: true,
      lines: [{ at: 3_000 }, { at: 5_000 }],
    });
    expect(searchLogs(tail, query({ limit: 4 })).hasMore).toBe(false);
  });

  test('an answer is bounded in characters', () => {
    const long = tailOf(...Array.from({ length: 300 }, (_, i) => [`a-${i % 5}`, 'x'.repeat(4_000)] as const));
    const { lines, hasMore } = searchLogs(long, query({}));
    expect(hasMore).toBe(true);
    expect(lines.length).toBe(125);
  });

  test('dropped lines are reported for the levels that were asked for', () => {
    const noisy = tailOf(...Array.from({ length: 1_001 }, (_, i) => ['a-1', line('info', `${i}`, {}, i)] as const));
    expect(searchLogs(noisy, query({})).sources).toEqual([{ service: 'a', instance: 'a-1', droppedBefore: 0 }]);
    expect(searchLogs(noisy, query({ level: 'warn' })).sources[0]!.droppedBefore).toBeUndefined();
  });

  test.each([
    { level: 'loud' },
    { trace: 'x' },
    { text: 'x'.repeat(201) },
    { after: 'a.b' },
    { limit: 501 },
    { from: -1 },
  ])('%j is refused', (given) => {
    expect(logQuery.safeParse(given).success).toBe(false);
  });

  test('a text matches exactly the lines whose shown text has all of its words', () => {
    const word = fc.string({ unit: fc.constantFrom(...'ab"\\=!1é{:'), minLength: 1, maxLength: 3 });
    const value = fc.oneof(fc.string({ unit: fc.constantFrom(...'ab"\\= 1é\n') }), fc.integer(), fc.boolean());
    const part = fc.string({ unit: fc.constantFrom(...'ab"=: 1') });
    const err = fc.record({ type: part, message: part, stack: part, code: value }, { requiredKeys: [] });
    const entry = fc.record({
      err: fc.option(err, { nil: undefined }),
      msg: fc.string({ unit: fc.constantFrom(...'ab"\\ =1é') }),
      a: value,
      b: fc.array(value),
    });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(entry, fc.string())),
        fc.array(word, { minLength: 1, maxLength: 3 }),
        (all, words) => {
          const printed = all.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
          const shownHas = (raw: string, wanted: string) => {
            const { text: main, stack = '' } = readLogLine(raw);
            return `a a-1  ${main} ${stack} `.toLowerCase().includes(wanted.toLowerCase());
          };
          const expected = printed.filter((text) =>
            words.every((one) =>
              one.length > 1 && one.startsWith('!')
                ? !shownHas(text, one.slice(1))
                : one === '!' || shownHas(text, one),
            ),
          );
          const found = searchLogs(
            tailOf(...printed.map((text) => ['a-1', text] as const)),
            query({ text: words.join(' ') }),
          );
          expect(found.lines.map((one) => one.line)).toEqual(expected);
        },
      ),
    );
  });
});

describe('following', () => {
  /** A page that asks after each batch of lines. */
  function follow(batches: readonly (readonly string[])[], filter: object): ShownLogs | undefined {
    const tail = tailOf();
    let shown: ShownLogs | undefined;
    for (const batch of batches) {
      for (const text of batch) tail.add(text, { service: 'a', instance: 'a-1' });
      const after = shown?.cursor;
      const found = searchLogs(tail, query({ ...filter, ...(after && { after }) }));
      const { lines, hasMore, sources } = found;
      const cursor = `${found.tail}.${found.last}`;
      shown = followed(shown, { lines, hasMore, sources, cursor, silent: [], isWhole: after === undefined }, 0);
    }
    return shown;
  }

  test('shows each matching line once, however the questions fall between the lines', () => {
    const printed = fc.record({ level: fc.constantFrom(...LEVELS), msg: fc.constantFrom('x', 'y'), at: fc.nat(100) });
    const batches = fc.array(fc.array(printed, { maxLength: 20 }), { minLength: 1, maxLength: 8 });
    const filter = fc.constantFrom({}, { level: 'warn' }, { text: 'x' });
    fc.assert(
      fc.property(batches, filter, (all, given) => {
        const texts = all.map((batch) => batch.map(({ level, msg, at }, i) => line(level, msg, { i }, at)));
        const stepwise = follow(texts, given)!.lines.map(({ seq }) => seq);
        const atOnce = follow([texts.flat()], given)!.lines.map(({ seq }) => seq);
        expect(stepwise).toEqual(atOnce);
      }),
    );
  });

  test('never hides a gap, and holds a bounded number of lines', () => {
    const burst = (count: number) => Array.from({ length: count }, (_, i) => line('info', `${i}`));
    const flooded = follow([burst(10), burst(700)], {})!;
    expect(flooded).toMatchObject({ hasMore: true });
    expect(flooded.lines).toHaveLength(500);
    expect(flooded.lines[0]!.seq).toBe(211);
    const long = follow(
      Array.from({ length: 5 }, () => burst(300)),
      {},
    )!;
    expect(long.lines).toHaveLength(MOST_LINES);
    expect(long.hasMore).toBe(true);
  });

  test('lines that left the time range are removed', () => {
    const tail = tailOf(['a-1', line('info', 'old', {}, 10)], ['a-1', line('info', 'new', {}, 20)]);
    const { lines, hasMore, sources } = searchLogs(tail, query({}));
    const before = followed(undefined, { lines, hasMore, sources, cursor: '', silent: [], isWhole: true }, 0);
    const after = followed(before, { ...before, lines: [], isWhole: false }, 15);
    expect(after.lines.map(({ at }) => at)).toEqual([20]);
  });
});

test('a cursor has a position for each tail', () => {
  expect(positionsOf(undefined).size).toBe(0);
  expect([...positionsOf('ab.3,cd.12')]).toEqual([
    ['ab', 3],
    ['cd', 12],
  ]);
  expect(messages(tailOf(['a-1', line('info', 'one')]), { after: 'other.5' })).toEqual(['one']);
});
