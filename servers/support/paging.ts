/**
 * Pages of an append-only list by keyset: the reader names the last row seen, so that a page costs the same however
 * deep it is and rows added meanwhile neither repeat nor hide others.
 */
import { sql, type SelectQueryBuilder } from 'kysely';
import { z } from 'zod';

const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;

/** How many rows a page holds: 50 unless told, at most 200. */
export const pageLimit = z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE);

/** Query members of a list, newest first: `?before=<next of the page above>&limit=50`. */
export const newestFirst = { before: z.coerce.number().int().min(1).optional(), limit: pageLimit };

/** Query members of a list, oldest first, to follow a log: `?since=<next of the page before>&limit=50`. */
export const oldestFirst = { since: z.coerce.number().int().min(0).default(0), limit: pageLimit };

export interface Page<T> {
  readonly items: readonly T[];
  /** What to hand in as `before` or `since` for the page that follows; null at the end. */
  readonly next: number | null;
}

/**
 * A page of the rows read with `limit + 1`: the surplus row only tells that there are more.
 *
 * @param idOf the key the rows are ordered by
 */
export function pageOf<T>(rows: readonly T[], limit: number, idOf: (row: T) => number): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? idOf(last) : null };
}

/**
 * A page of the rows a query selects, newest first; the table's `id` counts up.
 *
 * @param before the id that the page begins below; undefined: the newest page
 * @param read makes of a row what the page holds
 */
export async function newestPage<DB, TB extends keyof DB, Row extends { readonly id: number }, T>(
  query: SelectQueryBuilder<DB, TB, Row>,
  { before, limit }: { readonly before: number | undefined; readonly limit: number },
  read: (row: Row) => T,
): Promise<Page<T>> {
  const id = sql.ref<number>('id');
  const below = before === undefined ? query : query.where(id, '<', before);
  const rows = await below
    .orderBy(id, 'desc')
    .limit(limit + 1)
    .execute();
  const page = pageOf(rows, limit, (row) => row.id);
  return { items: page.items.map(read), next: page.next };
}
