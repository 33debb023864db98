/** Details of the fleet's caches: the busiest keys, and the results of the latest invalidations. */
import type { HottestEntries, InvalidationDelivery, RecentInvalidation } from '../../src/index.js';
import type { CacheReading } from '../support/cache-routes.js';
import type { ServiceContext } from '../support/service.js';
import { askAll, type Round } from './trace-search.js';

/** One invalidation across the whole fleet. */
export interface FleetInvalidation extends Pick<RecentInvalidation, 'kind' | 'name' | 'soft'> {
  /** Epoch milliseconds at which the first instance received it. */
  readonly at: number;
  /** Number of repetitions within two seconds. */
  readonly times: number;
  /** The instance that published it, or the requester on the instance where it was done. */
  readonly by: string;
  /** The instances that applied it, and the number of removed entries: null for a tag, because they are not counted. */
  readonly applied: ReadonlyArray<{ readonly instance: string; readonly removed: number | null }>;
  /** Number of peers it was sent to, that confirmed it, and that did not. */
  readonly told: number;
  readonly confirmed: number;
  readonly waitingFor: readonly string[];
  /** Milliseconds until the slowest confirmation; null without one. */
  readonly slowest: number | null;
}

export interface CacheDetail {
  readonly hottest: ReadonlyArray<HottestEntries & { readonly instance: string }>;
  /** Newest first. */
  readonly invalidations: readonly FleetInvalidation[];
  /** Instances that did not answer. */
  readonly silent: readonly string[];
}

/** Equal invalidations within this time (ms) form one row, because a publisher repeats each invalidation. */
const SAME = 2_000;
const MOST_ROWS = 50;

export async function describeCaches(
  parts: Pick<ServiceContext, 'peers' | 'controlToken' | 'workers'>,
): Promise<CacheDetail> {
  const { answers, silent } = await askAll<CacheReading>(parts, '/api/v1/system/cache');
  return {
    hottest: answers.map(({ instance, body }) => ({ ...body.hottest, instance: instance.id })),
    invalidations: joinInvalidations(answers),
    silent,
  };
}

/** The entries that a purge would remove. */
export interface PurgePreview {
  /** By service, without the services that have none. */
  readonly services: Readonly<Record<string, number>>;
  readonly entries: number;
  readonly silent: readonly string[];
}

/** Counts what a purge would remove. Instances of a service on one machine share their file and count as one. */
export async function previewPurge(
  parts: Pick<ServiceContext, 'peers' | 'controlToken' | 'workers'>,
  target: object,
): Promise<PurgePreview> {
  const { answers, silent } = await askAll<{ entries: number }>(parts, '/api/v1/system/cache/purge/preview', target);
  const machines = new Map<string, { service: string; entries: number }>();
  for (const { instance, body } of answers) {
    const machine = `${instance.service} ${instance.host}`;
    const entries = Math.max(machines.get(machine)?.entries ?? 0, body.entries);
    machines.set(machine, { service: instance.service, entries });
  }
  const services: Record<string, number> = {};
  for (const { service, entries } of machines.values())
    if (entries > 0) services[service] = (services[service] ?? 0) + entries;
  return { services, entries: Object.values(services).reduce((sum, one) => sum + one, 0), silent };
}

interface Group {
  readonly at: number;
  readonly about: Pick<RecentInvalidation, 'kind' | 'name' | 'soft'>;
  readonly by: string | undefined;
  readonly applied: Map<string, { times: number; removed: number | null }>;
  readonly deliveries: InvalidationDelivery[];
}

/** Combines the invalidations reported by the instances, newest first. */
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
