/** One process of several at a time: a row that whoever holds it must renew before its time is over. */
import type { Kysely } from 'kysely';

/** The table a schema that knows leases has; `createLeaseTable` makes it. */
export interface LeaseSchema {
  leases: { name: string; holder: string; expires_at: number };
}

export interface Lease {
  /** Takes or renews it. False while another process holds it. */
  hold(now: number): Promise<boolean>;
  /** Lets go, so that another process need not wait for the end of its time. */
  release(): Promise<void>;
  /** Who holds it and until when; undefined when nobody does. */
  holder(now: number): Promise<{ readonly holder: string; readonly expiresAt: number } | undefined>;
}

/** The migration step that makes the table. */
export async function createLeaseTable({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('leases')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('holder', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute();
}

/**
 * The lease called `name`, as this holder sees it.
 *
 * @param holder tells this process from every other
 * @param duration milliseconds it lasts without being renewed
 */
export function leaseOn<S extends LeaseSchema>(
  database: Kysely<S>,
  name: string,
  holder: string,
  duration: number,
): Lease {
  const db = database as unknown as Kysely<LeaseSchema>;
  return {
    async hold(now) {
      const row = await db
        .insertInto('leases')
        .values({ name, holder, expires_at: now + duration })
        .onConflict((conflict) =>
          conflict
            .column('name')
            .doUpdateSet({ holder, expires_at: now + duration })
            .where((eb) => eb.or([eb('leases.holder', '=', holder), eb('leases.expires_at', '<=', now)])),
        )
        .returning('holder')
        .executeTakeFirst();
      return row !== undefined;
    },
    async release() {
      await db.deleteFrom('leases').where('name', '=', name).where('holder', '=', holder).execute();
    },
    async holder(now) {
      const row = await db
        .selectFrom('leases')
        .selectAll()
        .where('name', '=', name)
        .where('expires_at', '>', now)
        .executeTakeFirst();
      return row && { holder: row.holder, expiresAt: row.expires_at };
    },
  };
}
