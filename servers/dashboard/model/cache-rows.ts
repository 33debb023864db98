/** The caches of the fleet as table rows, from the figures of the instances' engines. */
import type { CoherenceFigures } from '../../../src/index.js';
import type { CacheDetail } from '../../web/cache-detail.js';
import type { FrameInstance } from '../../web/fleet-sampler.js';

type Figures = Readonly<Record<string, number | undefined>>;

export interface LayerRow {
  readonly instance: string;
  readonly layer: string;
  readonly size: number | undefined;
  readonly bytes: number | undefined;
  readonly hits: number | undefined;
  readonly misses: number | undefined;
  readonly hitRate: number | undefined;
  readonly evictions: number | undefined;
  readonly expirations: number | undefined;
  readonly errors: number | undefined;
}

export type ResponseRow = Figures & { readonly instance: string; readonly service: string };

export interface CoordinationRow {
  readonly instance: string;
  readonly peers: readonly string[];
  readonly sent: number | undefined;
  readonly received: number | undefined;
  readonly pending: number | undefined;
  readonly coherence: CoherenceFigures | undefined;
}

export interface CacheRows {
  readonly layers: readonly LayerRow[];
  readonly responses: readonly ResponseRow[];
  readonly coordination: readonly CoordinationRow[];
}

/** The figures of the engines that are used here. */
interface CacheEngines {
  readonly cache?: { readonly memory: Figures; readonly layers?: Readonly<Record<string, Figures>> };
  readonly responses?: Figures;
  readonly coordination?: {
    readonly peers?: readonly string[];
    readonly pendingInvalidations?: number;
    readonly coherence?: CoherenceFigures;
    readonly stats?: Figures;
  };
}

export function cacheRows(instances: readonly FrameInstance[]): CacheRows {
  const told = instances.map(({ id, service, figures }) => ({
    id,
    service,
    ...(figures?.engines as CacheEngines | undefined),
  }));
  return {
    layers: told.flatMap(({ id, cache }) =>
      cache === undefined
        ? []
        : Object.entries({ memory: cache.memory, ...cache.layers }).map(([name, layer]) => layerRow(id, name, layer)),
    ),
    responses: told.flatMap(({ id, service, responses }) =>
      responses === undefined ? [] : [{ ...responses, instance: id, service } as ResponseRow],
    ),
    coordination: told.flatMap(({ id, coordination }) =>
      coordination === undefined
        ? []
        : [
            {
              instance: id,
              peers: coordination.peers ?? [],
              sent: coordination.stats?.['published'],
              received: coordination.stats?.['received'],
              pending: coordination.pendingInvalidations,
              coherence: coordination.coherence,
            },
          ],
    ),
  };
}

type HotKeyRow = CacheDetail['hottest'][number]['keys'][number] & { readonly instance: string };
type HotTagRow = CacheDetail['hottest'][number]['tags'][number] & { readonly instance: string };

const MOST_HOT = 25;

/** The keys and tags with the most lookups over all caches, the highest first. */
export function hottestRows(hottest: CacheDetail['hottest']): { keys: HotKeyRow[]; tags: HotTagRow[] } {
  const keys = hottest.flatMap(({ instance, keys: told }) => told.map((one) => ({ ...one, instance })));
  const tags = hottest.flatMap(({ instance, tags: told }) => told.map((one) => ({ ...one, instance })));
  return {
    keys: keys.sort((a, b) => b.lookups - a.lookups).slice(0, MOST_HOT),
    tags: tags.sort((a, b) => b.hits - a.hits).slice(0, MOST_HOT),
  };
}

function layerRow(instance: string, layer: string, figures: Figures): LayerRow {
  const { size, hits, misses, hitRate, evictions, expirations, errors } = figures;
  // A layer without a limit in bytes does not count bytes.
  const bytes = figures['bytes'] === 0 && (size ?? 0) > 0 ? undefined : figures['bytes'];
  return { instance, layer, size, bytes, hits, misses, hitRate, evictions, expirations, errors };
}
