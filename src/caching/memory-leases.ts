/** Leases within a process: never refused, and revoked by every change of the key. */
import { compilePattern } from './key-pattern.js';
import type { Lease } from './cache-layer.js';

/** Shared by all leases on the key since its last change. */
interface Holding {
  readonly token: string;
  holders: number;
}

export class MemoryLeases {
  readonly #held = new Map<string, Holding>();
  #count = 0;

  give(key: string, generation: number): Lease {
    let holding = this.#held.get(key);
    if (holding === undefined) this.#held.set(key, (holding = { token: String(++this.#count), holders: 0 }));
    holding.holders++;
    return { key, token: holding.token, generation };
  }

  holds(lease: Lease): boolean {
    return this.#held.get(lease.key)?.token === lease.token;
  }

  end(lease: Lease): void {
    const holding = this.#held.get(lease.key);
    if (holding?.token === lease.token && --holding.holders === 0) this.#held.delete(lease.key);
  }

  revoke(key: string): void {
    if (this.#held.size > 0) this.#held.delete(key);
  }

  revokeMatching(pattern: string): void {
    if (this.#held.size === 0) return;
    const { matches } = compilePattern(pattern);
    for (const key of this.#held.keys()) if (matches(key)) this.#held.delete(key);
  }

  revokeAll(): void {
    this.#held.clear();
  }
}
