/** The options of the disk layer, checked and with their defaults. */
import { wallClock, type Clock } from '../shared/clock.js';
import { checkOptions, checkValue, clock, milliseconds, number, string } from '../shared/options.js';
import type { LayerStats } from './cache-layer.js';

/** The path of the file and its largest size. */
export interface DiskCacheLayerOptions {
  /** The SQLite file; its folder is created if it is missing. `:memory:` keeps everything in the process. */
  readonly dbPath: string;
  /** Milliseconds an entry lives when `set` names no lifetime. Default 1 hour. */
  readonly defaultTTL?: number;
  /** Bytes from which values are compressed, if that makes them smaller. Default 1024; Infinity: never. */
  readonly compressionThreshold?: number;
  /** Milliseconds between sweeps of what has expired. Default 1 minute. */
  readonly cleanupInterval?: number;
  /**
   * Largest size of the file in bytes; the entries written longest ago are evicted first. The log takes up to 8 MiB
   * more. Default 256 MiB.
   */
  readonly maxDbSize?: number;
  /** Milliseconds a call waits, blocking, for another process' write to end. Default 1000. */
  readonly busyTimeout?: number;
  /** Must tell the same time in every process that shares the file. Default: the machine's wall clock. */
  readonly clock?: Clock;
}

/** The statistics of the disk layer. */
export interface DiskLayerStats extends LayerStats {
  /** Bytes of the file, its log left out. */
  readonly bytes: number;
  /** How often this process set a damaged file aside. */
  readonly rebuilds: number;
}

const DEFAULTS = {
  defaultTTL: 60 * 60_000,
  compressionThreshold: 1024,
  cleanupInterval: 60_000,
  maxDbSize: 256 * 1024 * 1024,
  busyTimeout: 1000,
  clock: wallClock,
};

/** An empty cache takes 40 KiB; below this there is no room to work in. */
const MIN_SIZE = 128 * 1024;

/** @throws TypeError or RangeError for an unknown option or a value out of range */
export function resolveDiskOptions(options: DiskCacheLayerOptions): Required<DiskCacheLayerOptions> {
  const checked = checkOptions('DiskCacheLayer', options, {
    dbPath: string,
    defaultTTL: milliseconds,
    compressionThreshold: number({ min: 0 }),
    cleanupInterval: number({ min: 1 }),
    maxDbSize: number({ min: MIN_SIZE }),
    busyTimeout: milliseconds,
    clock,
  });
  checkValue("DiskCacheLayer: option 'dbPath'", checked.dbPath, string);
  const given = Object.entries(checked).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...(Object.fromEntries(given) as unknown as DiskCacheLayerOptions) };
}
