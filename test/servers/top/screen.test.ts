import fc from '../../support/fast-check.js';
import { stripVTControlCharacters } from 'node:util';
import { paint, textOf, widthOf } from '../../../servers/top/line.js';
import { sceneOf, screen, type Shown, type Size } from '../../../servers/top/screen.js';
import { tableLines } from '../../../servers/top/table-lines.js';
import { listed, tableOf } from '../../../servers/top/tables.js';
import { INITIAL_STATE, pressed, type TopState } from '../../../servers/top/top-state.js';
import type { FleetSummary } from '../../../servers/top/summary.js';
import { instanceOf, pointOf, summaries, summaryOf } from './fleet-summary.js';

const SMALL = { columns: 80, rows: 24 };
const FLEET = summaryOf(
  Array.from({ length: 40 }, (_, i) => instanceOf(`training-${i + 1}`, { rate: 1000 + (i % 5), cpu: i / 40 })),
  [pointOf(1, { 'GET /a': 30, 'POST /b': 90 }, [['web', 'training', 20]])],
);

function shownOf(summary: FleetSummary, state: TopState = INITIAL_STATE, size: Size = SMALL): Shown {
  return { summary, state, size, problem: undefined, answer: undefined };
}

function after(keys: readonly string[], summary = FLEET, size = SMALL): TopState {
  return keys.reduce<TopState>((state, key) => {
    const next = pressed(state, key, sceneOf(shownOf(summary, state, size)));
    if (next === 'quit') throw new Error(`${key} quits`);
    return next;
  }, INITIAL_STATE);
}

const linesAfter = (keys: readonly string[], summary = FLEET, size = SMALL): string[] =>
  screen(shownOf(summary, after(keys, summary, size), size)).map(textOf);
const selectedAfter = (keys: readonly string[], summary = FLEET): string | undefined =>
  screen(shownOf(summary, after(keys, summary)))
    .filter(({ isSelected }) => isSelected)
    .map(textOf)[0];

const KEYS = ['up', 'down', 'j', 'k', 'G', 'g', 'pageup', 'pagedown', 'home', 'end', 'ctrl-d', 'ctrl-u'];
const OTHERS = ['s', 'S', 'r', 'p', 'tab', 'left', '1', '2', '3', 'return', 'escape', '/', 'a', '!', '?', 'backspace'];

test('fills any terminal exactly, for any fleet and any keys, and prints no control character', () => {
  fc.assert(
    fc.property(
      summaries,
      fc.record({ columns: fc.integer({ min: 1, max: 220 }), rows: fc.integer({ min: 1, max: 70 }) }),
      fc.array(fc.constantFrom(...KEYS, ...OTHERS), { maxLength: 25 }),
      (summary, size, keys) => {
        const state = after(keys, summary, size);
        const lines = screen(shownOf(summary, state, size));
        expect(lines).toHaveLength(size.rows);
        for (const line of lines) {
          // eslint-disable-next-line no-control-regex -- the test checks their absence
          expect(textOf(line)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
          const painted = stripVTControlCharacters(paint(line, size.columns, true));
          expect(widthOf(painted)).toBeLessThanOrEqual(size.columns);
        }
        const { rows } = sceneOf(shownOf(summary, state, size));
        const isList = state.mode.kind === 'list' || state.mode.kind === 'filter';
        if (isList && size.rows >= 5)
          expect(lines.filter(({ isSelected }) => isSelected)).toHaveLength(Math.min(1, rows.length));
      },
    ),
    { numRuns: 60 },
  );
});

test('a number is never cut: at every width its column is complete or absent', () => {
  fc.assert(
    fc.property(summaries, fc.integer({ min: 1, max: 220 }), (summary, width) => {
      for (const view of ['instances', 'calls', 'routes'] as const) {
        const table = tableOf(view, summary);
        const { rows, leftOut } = tableLines(table, width);
        const kept = table.columns.map(({ title }, i) => ({ title, i })).slice(1);
        for (const [row, line] of rows.entries()) {
          expect(widthOf(textOf(line))).toBeLessThanOrEqual(width);
          const shown = line.segments.slice(1).map(({ text }) => text.trim());
          const whole = kept.filter(({ title }) => !leftOut.includes(title)).map(({ i }) => table.rows[row]!.cells[i]!);
          expect(shown).toEqual(whole.map(({ text }) => text.trim()));
        }
      }
    }),
    { numRuns: 50 },
  );
});

test.each([
  [80, ['LOOP', 'RESTARTS', 'PID', 'ADDRESS']],
  [120, ['ADDRESS']],
  [200, []],
])('on %i columns the instances go without %j', (width, leftOut) => {
  expect(tableLines(tableOf('instances', FLEET), width).leftOut).toEqual(leftOut);
});

test('rows with equal figures are ordered by name, so that they keep their places from frame to frame', () => {
  const table = tableOf('instances', FLEET);
  const reordered = { ...table, rows: [...table.rows].reverse() };
  for (let column = 0; column < table.columns.length; column++)
    for (const isDescending of [true, false])
      expect(listed(reordered, '', { column, isDescending })).toEqual(listed(table, '', { column, isDescending }));
  const names = listed(table, '', { column: 0, isDescending: false }).map(({ key }) => key);
  expect(names.slice(0, 3)).toEqual(['training-1', 'training-2', 'training-3']);
});

test('an unknown figure is last in either direction', () => {
  const table = tableOf(
    'instances',
    summaryOf([instanceOf('a', null), instanceOf('b', {}), instanceOf('c', { cpu: 1 })]),
  );
  const order = (isDescending: boolean) => listed(table, '', { column: 5, isDescending }).map(({ key }) => key);
  expect([order(true), order(false)]).toEqual([
    ['c', 'b', 'a'],
    ['b', 'c', 'a'],
  ]);
});

describe('keys', () => {
  test('move the selection and scroll with it', () => {
    expect(selectedAfter([])).toMatch(/^training-1 /);
    expect(selectedAfter(['down', 'j', 'k'])).toMatch(/^training-2 /);
    expect(selectedAfter(['G'])).toMatch(/^training-40 /);
    expect(selectedAfter(['pagedown'])).toMatch(/^training-21 /);
    expect(selectedAfter(['end', 'home'])).toMatch(/^training-1 /);
    expect(linesAfter(['G']).at(-1)).toMatch(/^21–40 of 40 /);
  });

  test('filter while you type, and Escape restores the previous filter', () => {
    const typed = ['/', '-', '4'];
    expect(linesAfter(typed).at(-1)).toBe('/-4▏');
    expect(linesAfter(typed)[1]).toContain('1 Instances (2 of 40)');
    expect(linesAfter([...typed, 'return', '/', 'x', 'escape'])[1]).toContain('(2 of 40)');
    expect(linesAfter([...typed, 'backspace', 'backspace', 'return'])[1]).toContain('1 Instances (40)');
    expect(linesAfter([...typed, 'return', 'escape'])[1]).toContain('1 Instances (40)');
    expect(linesAfter(['/', '!', '-', '4', 'return'])[1]).toContain('(38 of 40)');
    expect(linesAfter(['/', 'q', 'x'])).toContain('No row matches the filter.');
  });

  test('sort by column, the highest first, and reverse', () => {
    const toCpu = Array.from({ length: 5 }, () => 's');
    expect(linesAfter(toCpu).at(-1)).toContain('CPU ↓');
    expect(linesAfter(toCpu)[3]).toMatch(/^training-40 /);
    expect(linesAfter([...toCpu, 'r'])[3]).toMatch(/^training-1 /);
    expect(linesAfter(['s', 'S'])[3]).toMatch(/^training-1 /);
  });

  test('the selected instance stays selected when the order changes, and the next one when it vanishes', () => {
    expect(selectedAfter(['down', 'down', 'r'])).toMatch(/^training-3 /);
    const state = after(['down', 'down']);
    const fewer = summaryOf(FLEET.instances.filter(({ id }) => id !== 'training-3'));
    expect(
      screen(shownOf(fewer, state))
        .filter(({ isSelected }) => isSelected)
        .map(textOf)[0],
    ).toMatch(/^training-4 /);
  });

  test('Enter opens an instance with its probes and log, which scroll; Escape goes back', () => {
    const state = after(['down', 'return']);
    expect(state.mode).toEqual({ kind: 'instance', id: 'training-2', offset: 0 });
    const log = Array.from({ length: 60 }, (_, i) => JSON.stringify({ level: 'warn', msg: `line ${i}\u001b[2J` }));
    const checks = { 'database:connections': [{ status: 'fail', output: 'all in use', duration: 2 }] };
    const detail = { instance: FLEET.instances[1]!, health: { status: 'fail', checks }, log };
    const shown = { ...shownOf(FLEET, state), answer: { detail } };
    const text = screen(shown).map(textOf).join('\n');
    expect(text).toMatch(/^training-2 {2}● ready$/m);
    expect(text).toMatch(/^database:connections +fail +2\.00 ms\n {2}all in use$/m);
    expect(text).toMatch(/LOG, THE NEWEST FIRST\nwarn line 59 \[2J\nwarn line 58/);
    const end = pressed(state, 'G', sceneOf(shown)) as TopState;
    expect(
      screen({ ...shown, state: end })
        .map(textOf)
        .at(-2),
    ).toBe('warn line 0 [2J');
    expect(pressed(end, 'escape', sceneOf(shown))).toMatchObject({
      mode: { kind: 'list' },
      cursor: { key: 'training-2' },
    });
  });

  test('Enter on a route lists the instances of its service', () => {
    expect(linesAfter(['3'])[3]).toMatch(/^POST \/b +training +/);
    expect(after(['3', 'return'])).toMatchObject({ view: 'instances', filter: 'training' });
  });

  test('q and Ctrl-C quit, but q is a letter while you type', () => {
    for (const keys of [[], ['?'], ['return']])
      expect(pressed(after(keys), 'q', sceneOf(shownOf(FLEET, after(keys))))).toBe('quit');
    expect(after(['/', 'q']).filter).toBe('q');
    expect(pressed(after(['/']), 'ctrl-c', sceneOf(shownOf(FLEET)))).toBe('quit');
  });

  test('? shows every key', () => {
    expect(linesAfter(['?']).join('\n')).toMatch(/filter.*\n.*sort.*\n.*reverse.*\n.*pause.*\n.*help.*\n.*quit/);
    expect(after(['?', 'x'])).toEqual(INITIAL_STATE);
  });
});

test('a problem with the connection is shown beside the last figures', () => {
  const lines = screen({ ...shownOf(FLEET), problem: 'it cannot be followed' }).map(textOf);
  expect(lines[0]).toContain('it cannot be followed');
  expect(lines[3]).toMatch(/^training-1 /);
});

test('without colour only the selection and weights are marked', () => {
  const lines = screen(shownOf(summaryOf([instanceOf('a', { errorRate: 1 }), instanceOf('b', null, 'failed')])));
  const painted = (hasColour: boolean) => lines.map((line) => paint(line, 80, hasColour)).join('');
  // eslint-disable-next-line no-control-regex -- the test checks these sequences
  const colour = /\u001b\[[\d;]*3[0-7]m/;
  expect(painted(true)).toMatch(colour);
  expect(painted(false)).not.toMatch(colour);
});
