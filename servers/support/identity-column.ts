/** Row numbers that the database gives out, in the words of either database. */
import { PostgresAdapter, type CreateTableBuilder, type Kysely } from 'kysely';

/**
 * Adds `id`, a primary key that grows with every row and is never given out twice.
 *
 * @param db tells which database it is: SQLite says AUTOINCREMENT, PostgreSQL an identity column
 */
export function withIdentity<S, T extends string>(
  db: Kysely<S>,
  table: CreateTableBuilder<T>,
): CreateTableBuilder<T, 'id'> {
  const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter;
  return isPostgres
    ? table.addColumn('id', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity())
    : table.addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement());
}
