/** The usual limit, and the clients that have one of their own. */
import { checkValue, string } from '../shared/options.js';
import { compactKey } from './keys.js';
import { resolveQuota, type Quota } from './quota.js';

export class ClientLimits {
  readonly usual: Quota;
  readonly #identify: (clientId: string) => string;
  readonly #own = new Map<string, Quota>();

  constructor(usual: Quota, identify: (clientId: string) => string = (clientId) => clientId) {
    this.usual = usual;
    this.#identify = identify;
  }

  /** The key of a client's bucket, from its id as people write it. */
  keyOf(clientId: string): string {
    return compactKey(this.#identify(clientId));
  }

  /** The limit of a bucket. */
  of(key: string): Quota {
    return this.#own.size === 0 ? this.usual : (this.#own.get(key) ?? this.usual);
  }

  /** @throws TypeError, RangeError naming `RateLimiter.setLimit` */
  set(clientId: string, rateLimit: number, refillRate: number): void {
    checkValue('RateLimiter.setLimit: client id', clientId, string);
    const { name, algorithm } = this.usual;
    const own = resolveQuota(name, { rateLimit, refillRate, algorithm }, 'RateLimiter.setLimit');
    this.#own.set(this.keyOf(clientId), own);
  }

  /** Returns whether the client had a limit of its own. */
  unset(clientId: string): boolean {
    return this.#own.delete(this.keyOf(clientId));
  }
}
