/** Values in a Keyv store. Throws where the store fails; `KeyvCacheLayer` does not. */
import type { Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { callWithin } from '../shared/timed-call.js';
import type { CacheEntry, Lease, LeaseAnswer, TagInvalidation } from './cache-layer.js';
import { compilePattern } from './key-pattern.js';
import { KeyvMarks, type Mark } from './keyv-marks.js';
import { ProcessLeases } from './process-leases.js';
import { RemoteCacheStore } from './remote-cache-store.js';
import { decodeIfIntact, encodeValue } from './value-codec.js';

/**
 * The part of a Keyv store that is used: storage adapters, `Keyv` itself and `Map` have it.
 *
 * @example
 * import Keyv from 'keyv';
 * import { KeyvCacheLayer, type KeyvTarget } from '@tooloo/resilience';
 *
 * const store: KeyvTarget = new Keyv({ namespace: 'pages' });
 * const layer = new KeyvCacheLayer({ store });
 */
export interface KeyvTarget {
  get(key: string): unknown;
  set(key: string, value: string, ttl?: number): unknown;
  delete(key: string): unknown;
  /** The keys with their values. Without it nothing can be found by pattern. */
  iterator?: unknown;
  entries?: unknown;
}

export interface KeyvStoreSettings {
  readonly name: string;
  readonly prefix: string;
  readonly defaultTTL: number;
  readonly timeout: number;
  readonly compressionThreshold: number;
  readonly clock: Clock;
}

/** The first line of what is stored; the value follows. Null stands for Infinity. */
interface Header {
  readonly format: number;
  readonly isText: boolean;
  readonly expiresAt: number | null;
  readonly grace: number | null;
  /** The tags with their marks when the value was made; the first is the mark of the whole layer. */
  readonly marks: ReadonlyArray<readonly [tag: string, mark: Mark]>;
}

/** The tag of everything: its mark changes with `clear`. */
const ALL = '';

export class KeyvCacheStore extends RemoteCacheStore {
  readonly #target: KeyvTarget;
  readonly #settings: KeyvStoreSettings;
  readonly #marks: KeyvMarks;
  readonly #leases: ProcessLeases;

  constructor(target: KeyvTarget, settings: KeyvStoreSettings) {
    super(settings.name, settings.defaultTTL);
    this.#target = target;
    this.#settings = settings;
    this.#marks = new KeyvMarks(
      (tag) => this.#call(() => target.get(this.#markName(tag))),
      (tag, mark) => this.#call(() => target.set(this.#markName(tag), mark)),
    );
    this.#leases = new ProcessLeases(settings.clock);
  }

  async delete(key: string): Promise<boolean> {
    this.#leases.revoke(key);
    const wasThere = (await this.find(key)) !== undefined;
    await this.#remove(key);
    return wasThere;
  }

  async clear(): Promise<void> {
    this.#leases.revokeMatching(() => true);
    await this.#marks.replace(ALL);
  }

  async write(key: string, entry: CacheEntry, lease?: Lease): Promise<boolean> {
    const life = entry.ttl + entry.grace;
    const isKept = entry.value !== undefined && life > 0;
    const text = isKept ? await this.#encode(entry) : undefined;
    // Judged now, because what it was made of may have been invalidated while the marks were read.
    if (lease !== undefined && !this.#leases.holds(lease)) return false;
    this.#leases.revoke(key);
    const isOutdated = lease !== undefined && this.#marks.haveChanged(entry.tags, lease.generation);
    if (text === undefined || isOutdated) {
      await this.#remove(key);
      return false;
    }
    await this.#call(() => this.#target.set(this.#entryName(key), text, life === Infinity ? undefined : life));
    return true;
  }

  async invalidatePattern(pattern: string): Promise<string[]> {
    const { matches } = compilePattern(pattern);
    this.#leases.revokeMatching(matches);
    const entries = entriesOf(this.#target);
    if (entries === undefined) {
      await this.clear();
      return [];
    }
    const removed: string[] = [];
    const begin = this.#entryName('');
    for await (const [name] of entries) {
      if (!name.startsWith(begin)) continue;
      const key = name.slice(begin.length);
      if (matches(key) && (await this.delete(key))) removed.push(key);
    }
    return removed;
  }

  async invalidateTag(tag: string, { soft = false }: TagInvalidation = {}): Promise<void> {
    await this.#marks.replace(tag, soft);
  }

  lease(key: string, duration: number): LeaseAnswer {
    return this.#leases.give(key, duration, this.#marks.changes);
  }

  release(lease: Lease): void {
    this.#leases.end(lease);
  }

  protected async find(key: string): Promise<CacheEntry | undefined> {
    const text = await this.#call(() => this.#target.get(this.#entryName(key)));
    if (typeof text !== 'string') return undefined;
    const end = text.indexOf('\n');
    const { format, isText, expiresAt, grace, marks } = JSON.parse(text.slice(0, end)) as Header;
    const verdict = await this.#marks.verdict(marks);
    const left = (expiresAt ?? Infinity) - this.#settings.clock.now();
    const most = grace ?? Infinity;
    if (verdict === 'gone' || left + most <= 0 || (verdict === 'stale' && most === 0)) return undefined;
    const data = text.slice(end + 1);
    const value = decodeIfIntact(isText ? data : Buffer.from(data, 'base64'), format);
    if (value === undefined) return undefined;
    const tags = marks.map(([tag]) => tag).filter((tag) => tag !== ALL);
    if (verdict === 'valid' && left > 0) return { value, ttl: left, grace: most, tags };
    return { value, ttl: 0, grace: Math.min(most, left + most), tags };
  }

  async #encode({ value, ttl, grace, tags }: CacheEntry): Promise<string> {
    const { data, format } = encodeValue(value, this.#settings.compressionThreshold);
    const isText = typeof data === 'string';
    const header: Header = {
      format,
      isText,
      expiresAt: ttl === Infinity ? null : this.#settings.clock.now() + ttl,
      grace: grace === Infinity ? null : grace,
      marks: await this.#marks.of([ALL, ...tags]),
    };
    return `${JSON.stringify(header)}\n${isText ? data : data.toString('base64')}`;
  }

  #remove(key: string): Promise<unknown> {
    return this.#call(() => this.#target.delete(this.#entryName(key)));
  }

  #call(work: () => unknown): Promise<unknown> {
    const { timeout, clock, name } = this.#settings;
    const expired = (): Error =>
      new ResilienceError('STORE_UNAVAILABLE', `KeyvCacheLayer: ${name} did not answer within ${timeout} ms`);
    return callWithin(work, { clock, timeout, signal: undefined, expired });
  }

  #entryName(key: string): string {
    return `${this.#settings.prefix}e:${key}`;
  }

  #markName(tag: string): string {
    return `${this.#settings.prefix}t:${tag}`;
  }
}

/** The entries of a store; undefined if it cannot list them. */
function entriesOf(target: KeyvTarget): AsyncIterable<[string, unknown]> | Iterable<[string, unknown]> | undefined {
  const { iterator, entries } = target;
  if (typeof iterator === 'function') return iterator.call(target) as AsyncIterable<[string, unknown]>;
  // A copy, because entries are removed while it is walked.
  return typeof entries === 'function' ? [...(entries.call(target) as Iterable<[string, unknown]>)] : undefined;
}
