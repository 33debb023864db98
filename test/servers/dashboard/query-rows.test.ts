import { statementRows, type InstanceQueries } from '../../../servers/dashboard/model/query-rows.js';

test('statements are listed by their cost, without transaction control and schema changes', () => {
  const statement = (fingerprint: string, totalTime: number) => ({ fingerprint, totalTime });
  const told = [
    {
      ...{ service: 'training', instance: 'training-1', slow: [], repeated: [] },
      statements: [
        statement('commit', 900),
        statement('select * from created', 25),
        statement('CREATE TABLE items (id)', 700),
        statement('update items set x = ?', 75),
      ],
    },
  ] as unknown as InstanceQueries[];
  expect(statementRows(told).map(({ fingerprint, share }) => [fingerprint, share])).toEqual([
    ['update items set x = ?', 0.75],
    ['select * from created', 0.25],
  ]);
});
