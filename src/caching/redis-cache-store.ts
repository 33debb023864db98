/** Values in Redis, shared by every process that reaches it. It throws if Redis fails; `RedisCacheLayer` does not. */
import { randomUUID } from 'node:crypto';
import type { CacheEntry, Lease, LeaseAnswer, TagInvalidation } from './cache-layer.js';
import { compilePattern } from './key-pattern.js';
import type { RedisLink } from './redis-link.js';
import { RemoteCacheStore } from './remote-cache-store.js';
import { GENERATION, KEEP_TAG, MARK_TAG, READ, RELEASE, REMOVE, WRITE } from './redis-scripts.js';
import type { TagVerdict } from './tag-generations.js';
import { decodeValue, encodeValue } from './value-codec.js';

/** The header before the bytes of the value, up to the first line end. A grace of -1 has no end. */
type Header = [format: number, grace: number, generation: number, tags: readonly string[]];

const FOREVER = -1;
const LINE_END = 10;
/** Milliseconds that the record of a tag is kept longer than its entries, which are written a moment later. */
const TAG_MARGIN = 60_000;
const EMPTY = Buffer.alloc(0);

const milliseconds = (duration: number): string =>
  duration === Infinity ? String(FOREVER) : String(Math.ceil(duration));

export class RedisCacheStore extends RemoteCacheStore {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #compressionThreshold: number;
  /** The prefix of the tokens of leases granted here. */
  readonly #id = randomUUID();
  #leases = 0;

  constructor(link: RedisLink, prefix: string, defaultTTL: number, compressionThreshold: number) {
    super('redis', defaultTTL);
    this.#link = link;
    this.#prefix = prefix;
    this.#compressionThreshold = compressionThreshold;
  }

  async delete(key: string): Promise<boolean> {
    const reply = (await this.#link.run(REMOVE, this.#keysOf(key))) as [header: Buffer, left: number] | null;
    if (reply === null) return false;
    const [, grace, generation, tags] = JSON.parse(reply[0].toString('utf8')) as Header;
    const verdict = await this.#verdict(tags, generation);
    return verdict === 'valid' || (verdict === 'stale' && grace !== 0);
  }

  async clear(): Promise<void> {
    await this.invalidatePattern('*');
  }

  async write(key: string, entry: CacheEntry, lease?: Lease): Promise<boolean> {
    const life = entry.value === undefined ? 0 : entry.ttl + entry.grace;
    const bytes = life > 0 ? await this.#encode(entry, life, lease?.generation) : EMPTY;
    const answer = await this.#link.run(WRITE, this.#keysOf(key), [bytes, milliseconds(life), lease?.token ?? '']);
    return answer === 1;
  }

  /** Scans every key of the database, in small steps, because Redis has no index of keys. */
  async invalidatePattern(pattern: string): Promise<string[]> {
    const { matches } = compilePattern(pattern);
    const removed: string[] = [];
    // Leases first: a load that ends before its lease is revoked has stored its entry, which the second pass finds.
    await this.#each('l', pattern, (key) => (matches(key) ? this.#link.run(REMOVE, this.#keysOf(key)) : undefined));
    await this.#each('e', pattern, async (key) => {
      if (matches(key) && (await this.delete(key))) removed.push(key);
    });
    return removed;
  }

  async invalidateTag(tag: string, { soft = false }: TagInvalidation = {}): Promise<void> {
    const generation = await this.#generation(1);
    await this.#link.run(MARK_TAG, [this.#nameOf('t', tag)], [String(generation), soft ? 'soft' : 'hard']);
  }

  async lease(key: string, duration: number): Promise<LeaseAnswer> {
    const token = `${this.#id}:${++this.#leases}`;
    const [given, generation] = await Promise.all([
      this.#link.command('SET', this.#nameOf('l', key), token, 'PX', Math.max(1, Math.ceil(duration)), 'NX'),
      this.#generation(0),
    ]);
    if (given !== null) return { key, token, generation };
    const held = await this.#link.command('GET', this.#nameOf('l', key));
    return typeof held === 'string' ? { holder: held } : 'taken'; // null: it has just ended
  }

  async release(lease: Lease): Promise<void> {
    await this.#link.run(RELEASE, [this.#nameOf('l', lease.key)], [lease.token]);
  }

  protected async find(key: string): Promise<CacheEntry | undefined> {
    const reply = (await this.#link.run(READ, [this.#nameOf('e', key)])) as [bytes: Buffer, left: number] | null;
    if (reply === null) return undefined;
    const [bytes, left] = reply;
    const end = bytes.indexOf(LINE_END);
    const [format, storedGrace, generation, tags] = JSON.parse(bytes.toString('utf8', 0, end)) as Header;
    const verdict = await this.#verdict(tags, generation);
    const grace = storedGrace === FOREVER ? Infinity : storedGrace;
    if (verdict === 'gone' || (verdict === 'stale' && grace === 0)) return undefined;
    const total = left === FOREVER ? Infinity : left;
    const fresh = total === Infinity ? Infinity : Math.max(0, total - grace);
    const value = decodeValue(bytes.subarray(end + 1), format);
    if (verdict === 'stale') return { value, ttl: 0, grace: Math.min(grace, total), tags };
    return { value, ttl: fresh, grace: Math.min(grace, total), tags };
  }

  async #encode(entry: CacheEntry, life: number, leased: number | undefined): Promise<Buffer> {
    const { data, format } = encodeValue(entry.value, this.#compressionThreshold);
    const current = entry.tags.length === 0 ? 0 : await this.#keepTags(entry.tags, life);
    const grace = entry.grace === Infinity ? FOREVER : entry.grace;
    const header: Header = [format, grace, leased ?? current, entry.tags];
    return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), Buffer.from(data)]);
  }

  /** Returns the current generation. */
  async #keepTags(tags: readonly string[], life: number): Promise<number> {
    const generation = await this.#generation(0);
    const args = [String(generation), milliseconds(life + TAG_MARGIN)];
    await Promise.all(tags.map((tag) => this.#link.run(KEEP_TAG, [this.#nameOf('t', tag)], args)));
    return generation;
  }

  async #verdict(tags: readonly string[], generation: number): Promise<TagVerdict> {
    if (tags.length === 0) return 'valid';
    const records = await Promise.all(tags.map((tag) => this.#link.command('GET', this.#nameOf('t', tag))));
    let verdict: TagVerdict = 'valid';
    for (const record of records) {
      if (typeof record !== 'string') return 'gone';
      const [hard = 0, soft = 0] = record.split(' ').map(Number);
      if (hard > generation) return 'gone';
      if (soft > generation) verdict = 'stale';
    }
    return verdict;
  }

  async #generation(add: number): Promise<number> {
    return Number(String(await this.#link.run(GENERATION, [`${this.#prefix}generation`], [String(add)])));
  }

  /**
   * A pattern may end within a pair of surrogates. A half is then matched by `*`, and the caller filters the result.
   */
  async #each(kind: 'e' | 'l', pattern: string, work: (key: string) => Promise<unknown> | undefined): Promise<void> {
    const glob = `${escapeGlob(`${this.#prefix}${kind}:{.`)}${pattern
      .split('*')
      .map((part) => escapeGlob(escapeName(part.replace(/\p{Surrogate}/gu, '*'))).replaceAll('\\*', '*'))
      .join('*')}}`;
    for await (const names of this.#link.scan(glob)) {
      await Promise.all(names.map(async (name) => work(this.#keyIn(kind, name))));
    }
  }

  #keysOf(key: string): [entry: string, lease: string] {
    return [this.#nameOf('e', key), this.#nameOf('l', key)];
  }

  /**
   * The text in braces decides the cluster slot: an entry and its lease share one slot. The dot keeps it from being
   * empty.
   */
  #nameOf(kind: 'e' | 'l' | 't', name: string): string {
    return `${this.#prefix}${kind}:{.${escapeName(name)}}`;
  }

  #keyIn(kind: 'e' | 'l', name: string): string {
    return unescapeName(name.slice(this.#prefix.length + kind.length + 3, -1));
  }
}

/** Braces within a name would end the part that decides the slot. Lone surrogates would all become one character. */
function escapeName(name: string): string {
  return name.replace(/[%{}]|\p{Surrogate}/gu, (character) => {
    return `%${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function unescapeName(name: string): string {
  return name.replace(/%([0-9a-f]{4})/g, (_match, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function escapeGlob(text: string): string {
  return text.replace(/[?*[\]\\^-]/g, '\\$&');
}
