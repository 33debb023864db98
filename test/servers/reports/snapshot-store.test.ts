import type { OpenedDatabase } from '../../../servers/support/database.js';
import { reportsMigrations, type ReportsSchema } from '../../../servers/reports/schema.js';
import {
  firstSince,
  getSnapshot,
  keepSnapshot,
  listSnapshots,
  snapshotsBetween,
} from '../../../servers/reports/snapshot-store.js';
import { onEachDatabase } from '../../support/databases.js';

const DAY = 86_400_000;

onEachDatabase((open) => {
  let database: OpenedDatabase<ReportsSchema>;
  beforeEach(async () => {
    database = await open<ReportsSchema>(reportsMigrations);
    for (let i = 0; i < 12; i++) await keepSnapshot(database.db, { n: i }, (i * DAY) / 4);
  });
  const times = async (from: number, to: number) =>
    (await snapshotsBetween(database.db, from, to)).map(({ at }) => at / DAY);

  test('a day is read whole, a longer span at even steps', async () => {
    expect(await times(DAY, 2 * DAY)).toEqual([1, 1.25, 1.5, 1.75]);
    const coarse = await times(0, 3 * DAY);
    expect(coarse).toHaveLength(4);
    expect(new Set(coarse.slice(1).map((at, i) => at - coarse[i]!)).size).toBe(1);
    expect(await times(50 * DAY, 51 * DAY)).toEqual([]);
  });

  test('one by its id, the first since a moment, and pages', async () => {
    const first = await firstSince(database.db, DAY + 1);
    expect(first).toMatchObject({ at: 1.25 * DAY, metrics: { n: 5 } });
    expect(await getSnapshot(database.db, first!.id)).toEqual(first);
    expect(await firstSince(database.db, 9 * DAY)).toBeUndefined();
    await expect(getSnapshot(database.db, 999)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const page = await listSnapshots(database.db, undefined, 5);
    const next = await listSnapshots(database.db, page.next ?? undefined, 50);
    expect([...page.items, ...next.items].map(({ metrics }) => metrics.n)).toEqual([...Array(12).keys()].reverse());
  });
});
