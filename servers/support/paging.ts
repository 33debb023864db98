/**
 * Pages of an append-only list by keyset: the reader names the last row it has seen. The cost of a page does not depend
 * on its depth. Rows added in between cause no repeated or missing rows.
 */
import { sql, type SelectQueryBuilder } from 'kysely';
import * as z from 'zod';

const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;

/** Rows per page: default 50, at most 200. */
export const pageLimit = z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE);

/** Query parameters of a list, newest first: `?before=<next of the previous page>&limit=50`. */
export const newestFirst = { before: z.coerce.number().int().min(1).optional(), limit: pageLimit };

/** Query parameters of a list, oldest first, for following a log: `?since=<next of the previous page>&limit=50`. */
export const oldestFirst = { since: z.coerce.number().int().min(0).default(0), limit: pageLimit };

export interface Page<T> {
  readonly items: readonly T[];
  /** The value of `before` or `since` for the next page; null at the end. */
  readonly next: number | null;
}

/**
 * A page from rows that were read with `limit + 1`. The extra row only shows that there are more.
 *
 * @param idOf the key that orders the rows
 */
export function pageOf<T>(rows: readonly T[], limit: number, idOf: (row: T) => number): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? idOf(last) : null };
}

/**
 * A page of the rows that a query selects, newest first. The `id` of the table must increase.
 *
 * @param before returns rows with a smaller id; undefined: the newest page
 * @param read converts a row to an item of the page
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
