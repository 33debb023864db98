/**
 * The traces kept for their outcome, apart from the sampled ones. Bounded in traces, in spans and in time. The ring is
 * divided into slices of time. When it is full, the slice that holds most gives up a trace: the oldest but for the first.
 * Therefore a burst of errors thins itself out, and removes neither its own beginning nor what failed before it.
 */
import { checkOptions, count, number, type OptionChecks } from '../shared/options.js';
import type { Trace } from './trace.js';

/** How much is kept. */
export interface NotableOptions {
  /** Most traces. Default 1000. */
  readonly traces?: number;
  /** Milliseconds for which they are kept. Default 900,000 (15 minutes). */
  readonly maxAge?: number;
}

const CHECKS: OptionChecks<NotableOptions> = { traces: count(), maxAge: number({ min: 1 }) };

const SLICES = 90;

export class NotableTraces {
  readonly #maxTraces: number;
  readonly #maxAge: number;
  readonly #maxSpans: number;
  readonly #now: () => number;
  /** By slice, the oldest first. */
  readonly #slices = new Map<number, Trace[]>();
  readonly #byId = new Map<string, Trace[]>();
  #size = 0;
  #spans = 0;

  /** @param now milliseconds */
  constructor(options: NotableOptions, maxSpans: number, now: () => number) {
    const { traces = 1000, maxAge = 900_000 } = checkOptions("DistributedTracer: option 'notable'", options, CHECKS);
    this.#maxTraces = traces;
    this.#maxAge = maxAge;
    this.#maxSpans = maxSpans;
    this.#now = now;
  }

  add(trace: Trace): void {
    const slice = Math.floor((this.#now() * SLICES) / this.#maxAge);
    this.#dropOlder(slice);
    const traces = this.#slices.get(slice);
    if (traces === undefined) this.#slices.set(slice, [trace]);
    else traces.push(trace);
    const known = this.#byId.get(trace.traceId);
    if (known === undefined) this.#byId.set(trace.traceId, [trace]);
    else known.push(trace);
    this.#size++;
    this.#spans += trace.spanCount;
    while (this.#size > this.#maxTraces || (this.#spans > this.#maxSpans && this.#size > 1)) this.#thinOut();
  }

  get(traceId: string): readonly Trace[] {
    this.#dropOlder(Math.floor((this.#now() * SLICES) / this.#maxAge));
    return this.#byId.get(traceId) ?? [];
  }

  /** The ids, the oldest first. */
  ids(): string[] {
    this.#dropOlder(Math.floor((this.#now() * SLICES) / this.#maxAge));
    return [...this.#byId.keys()];
  }

  #dropOlder(current: number): void {
    for (const [slice, traces] of this.#slices) {
      if (slice >= current - SLICES) return; // in the order of time
      this.#slices.delete(slice);
      for (const trace of traces) this.#forget(trace);
    }
  }

  #thinOut(): void {
    let fullest: [number, Trace[]] | undefined;
    for (const one of this.#slices) if (fullest === undefined || one[1].length > fullest[1].length) fullest = one;
    const [slice, traces] = fullest!;
    this.#forget(traces.splice(Math.min(1, traces.length - 1), 1)[0]!);
    if (traces.length === 0) this.#slices.delete(slice);
  }

  #forget(trace: Trace): void {
    this.#size--;
    this.#spans -= trace.spanCount;
    const left = this.#byId.get(trace.traceId)?.filter((one) => one !== trace) ?? [];
    if (left.length === 0) this.#byId.delete(trace.traceId);
    else this.#byId.set(trace.traceId, left);
  }
}
