import { z } from 'zod';
import type { OpenedDatabase } from '../../../servers/support/database.js';
import { createSettingsTable, settingsStore, type SettingsSchema } from '../../../servers/support/settings-store.js';
import { onEachDatabase } from '../../support/databases.js';

const schema = z
  .object({ low: z.number().default(1), high: z.number().default(9), word: z.string().default('x') })
  .refine(({ low, high }) => low < high, { message: 'low must stay below high', path: ['low'] });

onEachDatabase((open) => {
  let database: OpenedDatabase<SettingsSchema>;
  beforeEach(async () => {
    const migrations = [
      {
        name: 'settings',
        up: (db: { schema: Parameters<typeof createSettingsTable>[0] }) => createSettingsTable(db.schema),
      },
    ];
    database = await open<SettingsSchema>(migrations);
  });

  test('defaults until changed, then what was changed over the defaults', async () => {
    const settings = settingsStore(database.db, 'mine', schema);
    expect(await settings.read()).toEqual({ low: 1, high: 9, word: 'x' });
    expect(await settings.change({ low: 3 }, 100)).toEqual({ low: 3, high: 9, word: 'x' });
    expect(await settingsStore(database.db, 'mine', schema).read()).toEqual({ low: 3, high: 9, word: 'x' });
    expect(await settingsStore(database.db, 'other', schema).read()).toEqual({ low: 1, high: 9, word: 'x' });
  });

  test('changes at once are all kept', async () => {
    const settings = settingsStore(database.db, 'mine', schema);
    await Promise.all([
      settings.change({ low: 2 }, 1),
      settings.change({ high: 8 }, 1),
      settings.change({ word: 'y' }, 1),
    ]);
    expect(await settings.read()).toEqual({ low: 2, high: 8, word: 'y' });
  });

  test('a whole that does not hold together is refused by field, and nothing changes', async () => {
    const settings = settingsStore(database.db, 'mine', schema);
    await expect(settings.change({ low: 10 }, 1)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      message: 'body.low: low must stay below high',
    });
    expect(await settings.read()).toEqual({ low: 1, high: 9, word: 'x' });
  });
});
