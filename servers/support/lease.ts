/** A lease that only one of several processes holds at a time: a row that the holder must renew before it expires. */
import type { Kysely } from 'kysely';

/** The table for leases, created by `createLeaseTable`. */
export interface LeaseSchema {
  leases: { name: string; holder: string; expires_at: number };
}

export interface Lease {
  /** Takes or renews the lease. Returns false while another process holds it. */
  hold(now: number): Promise<boolean>;
  /** Releases the lease, so that another process need not wait for it to expire. */
  release(): Promise<void>;
  /** The holder and the expiry time; undefined if the lease is free. */
  holder(now: number): Promise<{ readonly holder: string; readonly expiresAt: number } | undefined>;
}

/** The migration step that creates the table. */
export async function createLeaseTable({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('leases')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('holder', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute();
}

/**
 * The lease called `name`, used by this holder.
 *
 * @param holder unique id of this process
 * @param duration milliseconds until the lease expires if it is not renewed
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
