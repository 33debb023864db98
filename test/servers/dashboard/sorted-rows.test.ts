import { nextSorting, sortedRows } from '../../../servers/dashboard/model/sorted-rows.js';

const rows = [
  { name: 'b', ms: 2 },
  { name: 'c', ms: undefined },
  { name: 'a', ms: 7 },
  { name: 'd', ms: 2 },
];
const columns = [{ title: 'Name' }, { title: 'Took', by: ({ ms }: (typeof rows)[number]) => ms }];
const names = (sorting: Parameters<typeof sortedRows>[2]) => sortedRows(rows, columns, sorting).map(({ name }) => name);

test('rows are sorted by the value of a column, and those without a value come last', () => {
  expect(names({ title: 'Took', isDescending: true }).join('')).toBe('abdc');
  expect(names({ title: 'Took', isDescending: false }).join('')).toBe('bdac');
});

test('without a choice, or by a column that does not sort, rows keep their order', () => {
  expect(names(undefined).join('')).toBe('bcad');
  expect(names({ title: 'Name', isDescending: true }).join('')).toBe('bcad');
});

test('a heading sorts the largest first, then the smallest, then not at all', () => {
  const first = nextSorting(undefined, 'Took');
  const second = nextSorting(first, 'Took');
  expect([first, second, nextSorting(second, 'Took')]).toEqual([
    { title: 'Took', isDescending: true },
    { title: 'Took', isDescending: false },
    undefined,
  ]);
  expect(nextSorting(second, 'Calls')).toEqual({ title: 'Calls', isDescending: true });
});
