/** The caches of the fleet close up: what they are asked for most, and where the last invalidations went. */
import type { HottestEntries, InvalidationDelivery, RecentInvalidation } from '../../src/index.js';
import type { CacheReading } from '../support/cache-routes.js';
import type { ServiceContext } from '../support/service.js';
import { askAll, type Round } from './trace-search.js';

/** One invalidation as the whole fleet saw it. */
export interface FleetInvalidation extends Pick<RecentInvalidation, 'kind' | 'name' | 'soft'> {
  /** Epoch milliseconds: when the first heard. */
  readonly at: number;
  /** How often it was asked for within two seconds. */
  readonly times: number;
  /** The instance that published it, or who asked for it on the instance it was done on. */
  readonly by: string;
  /** Where it was applied, and how many entries went: null of a tag, which nobody counts. */
  readonly applied: ReadonlyArray<{ readonly instance: string; readonly removed: number | null }>;
  /** Peers that were told, those that have confirmed, and those that have not. */
  readonly told: number;
  readonly confirmed: number;
  readonly waitingFor: readonly string[];
  /** Milliseconds the slowest that confirmed took; null while none has. */
  readonly slowest: number | null;
}

export interface CacheDetail {
  readonly hottest: ReadonlyArray<HottestEntries & { readonly instance: string }>;
  /** The latest first. */
  readonly invalidations: readonly FleetInvalidation[];
  /** Instances that did not answer. */
  readonly silent: readonly string[];
}

/** Milliseconds within which the same of the same is one row: whoever publishes tells once more a little later. */
const SAME = 2_000;
const MOST_ROWS = 50;

export async function describeCaches(parts: Pick<ServiceContext, 'peers' | 'controlToken'>): Promise<CacheDetail> {
  const { answers, silent } = await askAll<CacheReading>(parts, '/api/v1/system/cache');
  return {
    hottest: answers.map(({ instance, body }) => ({ ...body.hottest, instance: instance.id })),
    invalidations: joinInvalidations(answers),
    silent,
  };
}

interface Group {
  readonly at: number;
  readonly about: Pick<RecentInvalidation, 'kind' | 'name' | 'soft'>;
  readonly by: string | undefined;
  readonly applied: Map<string, { times: number; removed: number | null }>;
  readonly deliveries: InvalidationDelivery[];
}

/** What each instance tells of an invalidation put together, the latest first. */
export function joinInvalidations(answers: Round<CacheReading>['answers']): FleetInvalidation[] {
  const groups = new Map<string, Group[]>();
  const publishers = new Map<string, string>();
  const groupOf = (entry: RecentInvalidation | InvalidationDelivery, instance: string): Group => {
    const { kind, name, soft, by, at } = entry;
    const key = JSON.stringify([kind, name, soft, by ?? instance]);
    const known = groups.get(key) ?? [];
    let group = known.find((one) => Math.abs(one.at - at) <= SAME);
    if (group === undefined) {
      group = { at, about: { kind, name, soft }, by, applied: new Map(), deliveries: [] };
      groups.set(key, [...known, group]);
    }
    return group;
  };
  for (const { instance, body } of answers) {
    for (const entry of [...body.invalidations].reverse()) noteApplied(groupOf(entry, instance.id), instance.id, entry);
    for (const delivery of body.deliveries) {
      publishers.set(delivery.by, instance.id);
      groupOf(delivery, instance.id).deliveries.push(delivery);
    }
  }
  return [...groups.values()]
    .flat()
    .sort((a, b) => b.at - a.at)
    .slice(0, MOST_ROWS)
    .map((group) => rowOf(group, publishers));
}

function noteApplied({ applied }: Group, instance: string, { removed }: RecentInvalidation): void {
  const before = applied.get(instance);
  const sum = removed == null ? null : removed + (before?.removed ?? 0);
  applied.set(instance, { times: (before?.times ?? 0) + 1, removed: sum });
}

function rowOf(group: Group, publishers: ReadonlyMap<string, string>): FleetInvalidation {
  const { at, about, by, applied, deliveries } = group;
  const peers = deliveries.flatMap((one) => Object.entries(one.peers));
  const waiting = new Set(peers.filter(([, delay]) => delay === null).map(([peer]) => peer));
  const told = new Set(peers.map(([peer]) => peer));
  const delays = peers.flatMap(([, delay]) => (delay === null ? [] : [delay]));
  const where = [...applied.keys()];
  return {
    at,
    ...about,
    times: Math.max(1, deliveries.length, ...[...applied.values()].map(({ times }) => times)),
    by: by === undefined ? (where[0] ?? '') : (publishers.get(by) ?? by),
    applied: [...applied].map(([instance, { removed }]) => ({ instance, removed })),
    told: told.size,
    confirmed: told.size - waiting.size,
    waitingFor: [...waiting],
    slowest: delays.length === 0 ? null : Math.max(...delays),
  };
}
