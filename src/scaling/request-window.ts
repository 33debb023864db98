/**
 * The recently finished requests: their 99th percentile and share of failures, exact up to a maximum number of
 * requests.
 */

/** Maximum number of stored requests. With more, the window is shorter. */
const KEPT = 4096;

export class RequestWindow {
  /** Milliseconds. */
  readonly window: number;
  readonly #endedAt = new Float64Array(KEPT).fill(-Infinity);
  readonly #durations = new Float64Array(KEPT);
  readonly #failed = new Uint8Array(KEPT);
  #next = 0;

  /** @param window milliseconds */
  constructor(window: number) {
    this.window = window;
  }

  record(now: number, duration: number, ok: boolean): void {
    this.#endedAt[this.#next] = now;
    this.#durations[this.#next] = duration;
    this.#failed[this.#next] = ok ? 0 : 1;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** `p99` and `errorRate` are null if no request finished within the window. `errorRate` is in percent. */
  read(now: number): { readonly requests: number; readonly p99: number | null; readonly errorRate: number | null } {
    const durations: number[] = [];
    let failures = 0;
    for (let i = 0; i < KEPT; i++) {
      if (now - this.#endedAt[i]! >= this.window) continue;
      durations.push(this.#durations[i]!);
      failures += this.#failed[i]!;
    }
    const requests = durations.length;
    if (requests === 0) return { requests, p99: null, errorRate: null };
    durations.sort((a, b) => a - b);
    return { requests, p99: durations[Math.ceil(0.99 * requests) - 1]!, errorRate: (100 * failures) / requests };
  }
}
