/** Settings of a service that survive a restart: one validated JSON value a name, changed without losing a concurrent change. */
import type { Kysely, SchemaModule, Transaction } from 'kysely';
import type { z } from 'zod';
import { validate } from './route-table.js';

/** The table a schema that keeps settings has; `createSettingsTable` makes it. */
export interface SettingsSchema {
  settings: { name: string; value: string; updated_at: number };
}

export interface SettingsStore<T> {
  /** What holds now: the stored values over the defaults. */
  read(): Promise<T>;
  /**
   * Changes the members given, keeps the others, and returns the whole.
   *
   * @throws ResilienceError VALIDATION_FAILED when the whole would not hold together
   */
  change(patch: Partial<T>, now: number): Promise<T>;
}

/** The migration step that makes the table. */
export async function createSettingsTable(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('settings')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
}

/**
 * The settings called `name`.
 *
 * @param schema makes the whole of what is stored: absent members become defaults, members of older versions are dropped
 */
export function settingsStore<S extends SettingsSchema, T extends object>(
  database: Kysely<S>,
  name: string,
  schema: z.ZodType<T>,
): SettingsStore<T> {
  const db = database as unknown as Kysely<SettingsSchema>;

  const stored = async (source: Kysely<SettingsSchema> | Transaction<SettingsSchema>): Promise<T> => {
    const row = await source.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst();
    return schema.parse(row === undefined ? {} : JSON.parse(row.value));
  };

  return {
    read: () => stored(db),
    change: (patch, now) =>
      db.transaction().execute(async (trx) => {
        // Writing first takes the row's lock, so that what is read next cannot change before it is replaced.
        await trx
          .insertInto('settings')
          .values({ name, value: '{}', updated_at: now })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ updated_at: now }))
          .execute();
        const next = validate('body', schema, { ...(await stored(trx)), ...patch });
        await trx
          .updateTable('settings')
          .set({ value: JSON.stringify(next) })
          .where('name', '=', name)
          .execute();
        return next;
      }),
  };
}
