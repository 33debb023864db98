/** Settings of a service that survive a restart: one validated JSON value per name. Concurrent changes are not lost. */
import type { Kysely, SchemaModule, Transaction } from 'kysely';
import * as z from 'zod';
import { validate } from './route-table.js';

/** The table for settings, created by `createSettingsTable`. */
export interface SettingsSchema {
  settings: { name: string; value: string; updated_at: number };
}

export interface SettingsStore<T> {
  /** The current settings: the defaults, overridden by the stored values. */
  read(): Promise<T>;
  /**
   * Changes the given members, keeps the others, and returns all settings.
   *
   * @throws ResilienceError VALIDATION_FAILED if the merged settings are invalid
   */
  change(patch: Partial<T>, now: number): Promise<T>;
}

/**
 * The schema for a partial change: each member is optional and has no default. `.partial()` alone keeps the defaults,
 * so members that are not in the request would be reset.
 */
export function patchOf<S extends z.ZodRawShape>(schema: z.ZodObject<S>) {
  const shape = Object.fromEntries(
    Object.entries(schema.shape).map(([name, field]) => [name, withoutDefault(field as z.ZodType).optional()]),
  );
  return z.strictObject(shape) as unknown as z.ZodType<Partial<z.output<z.ZodObject<S>>>>;
}

/** Removes defaults from a field at any depth of wrapping. */
function withoutDefault(field: z.ZodType): z.ZodType {
  if (field instanceof z.ZodDefault || field instanceof z.ZodPrefault || field instanceof z.ZodOptional)
    return withoutDefault(field.unwrap() as z.ZodType);
  return field;
}

/** The migration step that creates the table. */
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
 * @param schema completes the stored value: absent members get defaults, and members of older versions are dropped
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
        // The write comes first because it locks the row. The value read next cannot change before it is replaced.
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
