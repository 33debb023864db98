/** The callers of `initialize`: they wait until the pool has its minimum of connections. */

interface Prefill {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Prefills {
  readonly #waiting: Prefill[] = [];

  /** Settles at the next call of `resolve` or `reject`. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  resolve(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  reject(error: () => unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error());
  }
}
