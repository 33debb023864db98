import fc from '../../support/fast-check.js';
import type { Suggestion } from '../../../src/index.js';
import {
  matchingStatements,
  statementRows,
  weightOf,
  type InstanceQueries,
} from '../../../servers/dashboard/model/query-rows.js';

const statement = (fingerprint: string, totalTime: number, more: object = {}) =>
  ({
    fingerprint,
    totalTime,
    calls: 1,
    errors: 0,
    rows: 2,
    p95: 1,
    maxTime: 3,
    ...more,
  }) as unknown as InstanceQueries['statements'][number];
const told = (instance: string, more: Partial<InstanceQueries>): InstanceQueries => ({
  ...{ service: instance.replace(/-\d+$/, ''), instance, statements: [], slow: [], repeated: [] },
  ...more,
});
const advice = (severity: Suggestion['severity']): Suggestion[] => [{ rule: 'a-rule', message: 'Do it.', severity }];
const textsOf = (rows: ReturnType<typeof statementRows>) => rows.map(({ fingerprint }) => fingerprint);

test('transaction control and schema changes are left out unless they are asked for', () => {
  const statements = [
    statement('commit', 900),
    statement('select * from created', 25),
    statement('CREATE TABLE items (id)', 700),
    statement('update items set x = ?', 75),
  ];
  const all = [told('training-1', { statements })];
  expect(statementRows(all).map(({ fingerprint, share }) => [fingerprint, share])).toEqual([
    ['update items set x = ?', 0.75],
    ['select * from created', 0.25],
  ]);
  expect(textsOf(statementRows(all, true))).toHaveLength(4);
});

test('statements with advice come first, the gravest first, and then those that cost most', () => {
  const names = ['cheap', 'costly', 'hint', 'slow', 'repeated', 'scan', 'broken'];
  const rows = statementRows([
    told('training-1', {
      statements: names.map((name) => statement(name, name === 'costly' ? 900 : 5)),
      slow: [{ fingerprint: 'slow', duration: 900 }] as unknown as InstanceQueries['slow'],
      repeated: [{ fingerprint: 'repeated', count: 12 }] as unknown as InstanceQueries['repeated'],
      advice: { hint: advice('info'), scan: advice('warning'), broken: advice('critical') },
    }),
  ]);
  expect(rows.map((row) => [row.fingerprint, weightOf(row)])).toEqual([
    ['broken', 'critical'],
    ['repeated', 'warning'],
    ['scan', 'warning'],
    ['slow', 'slow'],
    ['hint', 'info'],
    ['costly', 'none'],
    ['cheap', 'none'],
  ]);
  expect(textsOf(matchingStatements(rows, ' A-Rule ') as typeof rows)).toEqual(['broken', 'scan', 'hint']);
  expect(textsOf(matchingStatements(rows, 'CHEAP') as typeof rows)).toEqual(['cheap']);
});

test('a statement is listed once per service, with the sums over its instances', () => {
  const sent = fc.record({
    instance: fc.constantFrom('a-1', 'a-2', 'b-1'),
    fingerprint: fc.constantFrom('select ?', 'update ?', 'begin'),
    totalTime: fc.nat(100),
    calls: fc.nat(10),
  });
  fc.assert(
    fc.property(fc.uniqueArray(sent, { selector: (one) => one.instance + one.fingerprint }), (all) => {
      const of = (instance: string) =>
        told(instance, {
          statements: all
            .filter((one) => one.instance === instance)
            .map(({ fingerprint, totalTime, calls }) => statement(fingerprint, totalTime, { calls })),
        });
      const rows = statementRows(['a-1', 'a-2', 'b-1'].map(of));
      const keys = rows.map(({ service, fingerprint }) => `${service} ${fingerprint}`);
      expect(new Set(keys).size).toBe(keys.length);
      const wanted = all.filter(({ fingerprint }) => fingerprint !== 'begin');
      const sum = (numbers: readonly number[]) => numbers.reduce((left, right) => left + right, 0);
      expect(sum(rows.map(({ calls }) => calls))).toBe(sum(wanted.map(({ calls }) => calls)));
      expect(sum(rows.map(({ totalTime }) => totalTime))).toBe(sum(wanted.map(({ totalTime }) => totalTime)));
      expect(rows.flatMap(({ instances }) => instances)).toHaveLength(wanted.length);
      if (sum(wanted.map(({ totalTime }) => totalTime)) > 0) expect(sum(rows.map(({ share }) => share))).toBeCloseTo(1);
    }),
  );
});
