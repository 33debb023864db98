import type { Kysely } from 'kysely';
import type { OpenedDatabase } from '../../../servers/support/database.js';
import { createLeaseTable, leaseOn, type LeaseSchema } from '../../../servers/support/lease.js';
import { onEachDatabase } from '../../support/databases.js';

onEachDatabase((open) => {
  let database: OpenedDatabase<LeaseSchema>;
  let db: Kysely<LeaseSchema>;

  beforeEach(async () => {
    database = await open<LeaseSchema>([{ name: 'leases', up: createLeaseTable }]);
    db = database.db;
  });

  test('of many concurrent requests one gets the lease', async () => {
    const held = await Promise.all(['a', 'b', 'c', 'd'].map((name) => leaseOn(db, 'driver', name, 1000).hold(0)));
    expect(held.filter(Boolean)).toHaveLength(1);
  });

  test('its holder renews it, and another process takes it over once it expires', async () => {
    const first = leaseOn(db, 'driver', 'a', 1000);
    const second = leaseOn(db, 'driver', 'b', 1000);
    expect(await first.hold(0)).toBe(true);
    expect(await first.hold(900)).toBe(true);
    expect(await second.hold(1500)).toBe(false);
    expect(await second.holder(1500)).toEqual({ holder: 'a', expiresAt: 1900 });
    expect(await second.hold(1900)).toBe(true);
    expect(await first.hold(1901)).toBe(false);
  });

  test('only its holder can release it, and then it is free at once', async () => {
    const first = leaseOn(db, 'driver', 'a', 1000);
    const second = leaseOn(db, 'driver', 'b', 1000);
    await first.hold(0);
    await second.release();
    expect(await second.hold(1)).toBe(false);
    await first.release();
    expect(await first.holder(1)).toBeUndefined();
    expect(await second.hold(1)).toBe(true);
  });

  test('leases with different names are independent', async () => {
    expect(await leaseOn(db, 'one', 'a', 1000).hold(0)).toBe(true);
    expect(await leaseOn(db, 'two', 'b', 1000).hold(0)).toBe(true);
  });
});
