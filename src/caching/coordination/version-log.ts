/**
 * The latest known message of each process about each name. It decides whether a value that arrives is outdated. Two
 * services compare their logs to find messages that one of them missed. Bounded: dropping a message raises the floor.
 */
import { LRUCache } from 'lru-cache';
import { compilePattern } from '../key-pattern.js';
import { compareStamps, type Stamp } from './hybrid-clock.js';
import { BUCKETS, type CoordinationMessage } from './messages.js';

const MAX_ENTRIES = 10_000;

/**
 * Messages are separated by origin as well. If two processes cannot reach each other, the one with the slower clock may
 * publish later with an earlier stamp. Its message must be applied nevertheless.
 */
const idOf = ({ kind, name, soft, origin }: CoordinationMessage): string =>
  `${kind}${soft === true ? '~' : ' '}${origin} ${name}`;

/** A message as the log stores it: whether it had a value, but not the value. */
export interface LoggedMessage extends CoordinationMessage {
  readonly value?: undefined;
  readonly hadValue?: true;
}

export class VersionLog {
  readonly #latest = new LRUCache<string, LoggedMessage>({ max: MAX_ENTRIES });
  /** Patterns a second time. They are tried one after the other, so only a few are kept. */
  readonly #patterns = new LRUCache<string, { matches: (key: string) => boolean; message: LoggedMessage }>({
    max: 1000,
    dispose: ({ message }, _pattern, reason) => this.#forget(message, reason),
  });
  readonly #keys = new LRUCache<string, LoggedMessage>({
    max: MAX_ENTRIES,
    dispose: (message, _key, reason) => this.#forget(message, reason),
  });
  #floor: Stamp = { time: 0, count: 0 };

  /** Records a message, without its value. */
  note({ value, ...rest }: CoordinationMessage): void {
    if (this.knows(rest)) return;
    const message: LoggedMessage = { ...rest, ...(value !== undefined && { hadValue: true }) };
    this.#latest.set(idOf(message), message);
    if (message.kind === 'pattern') {
      const later = this.#patterns.peek(message.name)?.message;
      if (later !== undefined && compareStamps(later.stamp, message.stamp) > 0) return;
      this.#patterns.set(message.name, { matches: compilePattern(message.name).matches, message });
    } else if (message.kind === 'key') {
      const later = this.#keys.peek(message.name);
      if (later === undefined || compareStamps(later.stamp, message.stamp) < 0) this.#keys.set(message.name, message);
    }
  }

  /** The latest message about exactly this key. */
  latest(key: string): LoggedMessage | undefined {
    return this.#keys.peek(key);
  }

  /** Whether a pattern invalidated the key after the stamp, or may have, according to the messages still known. */
  isCovered(key: string, stamp: Stamp): boolean {
    if (compareStamps(stamp, this.#floor) < 0) return true;
    for (const { matches, message } of this.#patterns.values()) {
      if (matches(key) && compareStamps(message.stamp, stamp) > 0) return true;
    }
    return false;
  }

  #forget(message: CoordinationMessage, reason: string): void {
    if (reason === 'evict' && compareStamps(message.stamp, this.#floor) > 0) this.#floor = message.stamp;
  }

  /** A number per share of the log. It is equal if both logs hold the same messages. */
  digest(): number[] {
    const sums = new Array<number>(BUCKETS).fill(0);
    for (const [id, message] of this.#latest.entries()) {
      const bucket = hash(id) % BUCKETS;
      const { time, count } = message.stamp;
      sums[bucket] = (sums[bucket]! + hash(`${id} ${time} ${count}`)) >>> 0;
    }
    return sums;
  }

  /**
   * The messages in the shares whose numbers differ, whole shares only, from share `from` on until there are `limit`
   * messages or more. `next` is the share to continue with.
   */
  differing(digest: readonly number[], from: number, limit: number): { messages: LoggedMessage[]; next: number } {
    const shares = this.#sharesDiffering(digest);
    const messages: LoggedMessage[] = [];
    let next = from;
    for (; next < BUCKETS && messages.length < limit; next++) messages.push(...shares[next]!);
    return { messages, next };
  }

  /** The messages in the shares from `from` to before `to` whose numbers differ. */
  inShares(digest: readonly number[], from: number, to: number): LoggedMessage[] {
    return this.#sharesDiffering(digest).slice(from, to).flat();
  }

  #sharesDiffering(digest: readonly number[]): LoggedMessage[][] {
    const own = this.digest();
    const shares: LoggedMessage[][] = Array.from({ length: BUCKETS }, () => []);
    for (const [id, message] of this.#latest.entries()) {
      const bucket = hash(id) % BUCKETS;
      if (own[bucket] !== digest[bucket]) shares[bucket]!.push(message);
    }
    return shares;
  }

  /** Whether this log has the message, or a later one of the same process about the same name. */
  knows(message: CoordinationMessage): boolean {
    const known = this.#latest.peek(idOf(message));
    return known !== undefined && compareStamps(known.stamp, message.stamp) >= 0;
  }
}

/** FNV-1a, 32 bits: it only needs to distinguish texts. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
