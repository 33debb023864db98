/** Leases for a shared store that cannot keep them: one per key within this process, until it expires. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../shared/clock.js';
import type { Lease, LeaseAnswer } from './cache-layer.js';

interface Held {
  readonly token: string;
  readonly lapsesAt: number;
}

export class ProcessLeases {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
  readonly #id = randomUUID();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param duration milliseconds */
  give(key: string, duration: number, generation: number): LeaseAnswer {
    const now = this.#clock.now();
    const held = this.#held.get(key);
    if (held !== undefined && held.lapsesAt > now) return { holder: held.token };
    const token = `${this.#id}:${++this.#count}`;
    this.#held.set(key, { token, lapsesAt: now + duration });
    return { key, token, generation };
  }

  holds({ key, token }: Lease): boolean {
    const held = this.#held.get(key);
    return held?.token === token && held.lapsesAt > this.#clock.now();
  }

  end({ key, token }: Lease): void {
    if (this.#held.get(key)?.token === token) this.#held.delete(key);
  }

  revoke(key: string): void {
    this.#held.delete(key);
  }

  revokeMatching(matches: (key: string) => boolean): void {
    for (const key of this.#held.keys()) if (matches(key)) this.#held.delete(key);
  }
}
