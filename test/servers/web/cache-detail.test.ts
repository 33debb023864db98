import { joinInvalidations } from '../../../servers/web/cache-detail.js';
import type { CacheReading } from '../../../servers/support/cache-routes.js';
import type { FleetInstance } from '../../../servers/web/fleet-instances.js';

const NOTHING: CacheReading = { hottest: { keys: [], tags: [] }, invalidations: [], deliveries: [] };

function told(id: string, reading: Partial<CacheReading>) {
  return { instance: { id } as FleetInstance, body: { ...NOTHING, ...reading } };
}

const about = { kind: 'key', name: 'provider:1', soft: false, by: 'budget#1a' } as const;

test('an invalidation that one instance published and the others applied is one row that names the publisher', () => {
  const rows = joinInvalidations([
    told('web-1', { invalidations: [{ ...about, at: 1_004, removed: 2 }] }),
    told('budget-1', {
      invalidations: [
        { ...about, at: 1_500, removed: 0 }, // reported again
        { ...about, at: 1_000, removed: 1 },
      ],
      deliveries: [
        { ...about, at: 1_500, peers: { 'web@h:1': 3, 'reports@h:2': null } },
        { ...about, at: 1_000, peers: { 'web@h:1': 5, 'reports@h:2': null } },
      ],
    }),
  ]);
  expect(rows).toEqual([
    {
      at: 1_004,
      kind: 'key',
      name: 'provider:1',
      soft: false,
      times: 2,
      by: 'budget-1',
      applied: [
        { instance: 'web-1', removed: 2 },
        { instance: 'budget-1', removed: 1 },
      ],
      told: 2,
      confirmed: 1,
      waitingFor: ['reports@h:2'],
      slowest: 5,
    },
  ]);
});

test('local invalidations and those seconds apart are separate rows, latest first', () => {
  const own = { kind: 'tag', name: 'red', soft: true, by: undefined, removed: undefined } as const;
  const byHand = { ...own, by: 'by hand' };
  const rows = joinInvalidations([
    told('web-1', {
      invalidations: [
        { ...own, at: 9_000 },
        { ...own, at: 1_000 },
      ],
    }),
    told('reports-1', {
      invalidations: [
        { ...byHand, at: 5_001 },
        { ...own, at: 1_001 },
      ],
    }),
    told('budget-1', { invalidations: [{ ...byHand, at: 5_000 }] }),
  ]);
  expect(rows.map(({ at, by, applied, told: peers }) => [at, by, applied.length, peers])).toEqual([
    [9_000, 'web-1', 1, 0],
    [5_001, 'by hand', 2, 0],
    [1_001, 'reports-1', 1, 0],
    [1_000, 'web-1', 1, 0],
  ]);
  expect(rows[1]!.applied).toEqual([
    { instance: 'reports-1', removed: null },
    { instance: 'budget-1', removed: null },
  ]);
});

test('is bounded', () => {
  const invalidations = Array.from({ length: 200 }, (_, i) => ({ ...about, name: `k${i}`, at: i, removed: 1 }));
  expect(joinInvalidations([told('web-1', { invalidations })])).toHaveLength(50);
});
