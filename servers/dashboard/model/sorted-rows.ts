/** The order of a table that a user has chosen by a column. */
export interface Sorting {
  /** The title of the column. */
  readonly title: string;
  readonly isDescending: boolean;
}

interface SortableColumn<Row> {
  readonly title: string;
  /** The value that a row is sorted by. Columns without it do not sort. */
  readonly by?: ((row: Row) => number | string | undefined) | undefined;
}

/** The rows in the order of a column; rows without a value come last. Equal rows keep their order. */
export function sortedRows<Row>(
  rows: readonly Row[],
  columns: ReadonlyArray<SortableColumn<Row>>,
  sorting: Sorting | undefined,
): readonly Row[] {
  const by = columns.find(({ title }) => title === sorting?.title)?.by;
  if (by === undefined) return rows;
  const sign = sorting?.isDescending === true ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [by(a), by(b)];
    if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
    if (left === right) return 0;
    return left < right ? -sign : sign;
  });
}

/** The next order when a heading is pressed: the largest first, then the smallest, then the table's own order. */
export function nextSorting(sorting: Sorting | undefined, title: string): Sorting | undefined {
  if (sorting?.title !== title) return { title, isDescending: true };
  return sorting.isDescending ? { title, isDescending: false } : undefined;
}
