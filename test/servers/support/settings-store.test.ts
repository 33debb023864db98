import { z } from 'zod';
import type { OpenedDatabase } from '../../../servers/support/database.js';
import {
  createSettingsTable,
  patchOf,
  settingsStore,
  type SettingsSchema,
} from '../../../servers/support/settings-store.js';
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

  test('has the defaults until changed, and then the changes merged with the defaults', async () => {
    const settings = settingsStore(database.db, 'mine', schema);
    expect(await settings.read()).toEqual({ low: 1, high: 9, word: 'x' });
    expect(await settings.change({ low: 3 }, 100)).toEqual({ low: 3, high: 9, word: 'x' });
    expect(await settingsStore(database.db, 'mine', schema).read()).toEqual({ low: 3, high: 9, word: 'x' });
    expect(await settingsStore(database.db, 'other', schema).read()).toEqual({ low: 1, high: 9, word: 'x' });
  });

  test('concurrent changes are all kept', async () => {
    const settings = settingsStore(database.db, 'mine', schema);
    await Promise.all([
      settings.change({ low: 2 }, 1),
      settings.change({ high: 8 }, 1),
      settings.change({ word: 'y' }, 1),
    ]);
    expect(await settings.read()).toEqual({ low: 2, high: 8, word: 'y' });
  });

  test('an inconsistent result is refused with the name of the field, and nothing changes', async () => {
    const settings = settingsStore(database.db, 'mine', schema);
    await expect(settings.change({ low: 10 }, 1)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      message: 'body.low: low must stay below high',
    });
    expect(await settings.read()).toEqual({ low: 1, high: 9, word: 'x' });
  });
});

describe('patchOf', () => {
  const whole = z.strictObject({
    a: z.number().default(1),
    b: z.string().optional().default('x'),
    c: z.array(z.string()).default([]).optional(),
    d: z.boolean(),
  });

  test('a patch has the members given and no default for any other', () => {
    for (const given of [{}, { a: 5 }, { b: 'y' }, { c: ['z'] }, { d: true }, { a: 2, d: false }])
      expect(patchOf(whole).parse(given)).toEqual(given);
  });

  test('the rules of each member apply, and unknown members are refused', () => {
    for (const wrong of [{ a: 'no' }, { c: [1] }, { unknown: 1 }])
      expect(patchOf(whole).safeParse(wrong).success).toBe(false);
  });
});
