/** The latest report of every instance of one service, and what can be said of the instances together. */
import {
  FULL,
  GROWTH,
  LOADS,
  METRICS,
  type InstanceSample,
  type LoadMetric,
  type ScalingMetric,
  type SymptomMetric,
} from './metrics.js';
import type { LoadReading } from './hpa.js';
import { WindowMean } from './window-mean.js';

/** How many of a service's instances are in which state. */
export interface InstanceCounts {
  /** Ready and reporting. */
  readonly ready: number;
  /** Ready when last heard of, and silent since. */
  readonly missing: number;
  /** Starting, or ordered and not seen yet. */
  readonly warming: number;
}

type Figures = Partial<Record<ScalingMetric, number | null>>;

interface Instance {
  at: number;
  ready: boolean;
  figures: Figures;
  /** When it was first reported as starting, until it is ready. */
  startedAt: number | undefined;
  readonly recent: Partial<Record<LoadMetric, WindowMean>>;
}

/** Bounds what a mistaken caller can make it hold; far above any `max` that makes sense on one orchestrator. */
const MAX_INSTANCES = 1000;
/** An instance silent for so many times `staleAfter` has gone without a word, and no longer counts. */
const FORGET_AFTER = 10;
/** Beyond it a figure is a mistake of the reporter, and sums would lose their precision. */
const LARGEST = 1e9;
/** Milliseconds: Knative's panic window. */
const PANIC_WINDOW = 6000;
/** Weight of the latest start in the measured boot time. */
const BOOT_SMOOTHING = 0.3;

function readFigures(sample: InstanceSample): Figures {
  const figures: Figures = {};
  for (const name of METRICS) {
    const value = sample[name];
    if (value === null) figures[name] = null;
    else if (typeof value === 'number' && Number.isFinite(value) && value >= 0)
      figures[name] = Math.min(value, LARGEST);
  }
  return figures;
}

/** One service's instances. Every question is answered for a moment: what was not heard of lately is missing then. */
export class FleetSamples {
  readonly #instances = new Map<string, Instance>();
  readonly #seen = new Set<ScalingMetric>();
  #bootTime: number | undefined;

  /** Metrics that an instance has ever reported. */
  get seen(): ReadonlySet<ScalingMetric> {
    return this.#seen;
  }

  /** How long starts took lately, in milliseconds; undefined until one was seen from its launch to its readiness. */
  get bootTime(): number | undefined {
    return this.#bootTime;
  }

  /** Takes a report; false when it is older than what is known of the instance, or there are too many of them. */
  record(sample: InstanceSample, now: number): boolean {
    const { instance: id = 'default', ready = true } = sample;
    const at = Number.isFinite(sample.at) ? Math.min(sample.at!, now) : now;
    const known = this.#instances.get(id);
    if (known === undefined ? this.#instances.size >= MAX_INSTANCES : at < known.at) return false;
    const instance = known ?? { at, ready, figures: {}, startedAt: undefined, recent: {} };
    this.#instances.set(id, instance);
    this.#followStart(instance, ready, at);
    instance.at = at;
    instance.ready = ready;
    instance.figures = readFigures(sample);
    if (ready) this.#follow(instance);
    return true;
  }

  remove(id: string): boolean {
    return this.#instances.delete(id);
  }

  counts(now: number, staleAfter: number): InstanceCounts {
    let ready = 0;
    let missing = 0;
    let warming = 0;
    for (const [id, instance] of this.#instances) {
      const silence = now - instance.at;
      if (silence >= staleAfter * FORGET_AFTER) this.#instances.delete(id);
      else if (silence >= staleAfter) missing++;
      else if (instance.ready) ready++;
      else warming++;
    }
    return { ready, missing, warming };
  }

  /** What is known of a load. `warming` is the caller's count, launches not seen yet included. */
  load(name: LoadMetric, target: number, warming: number, now: number, staleAfter: number): LoadReading {
    const values: number[] = [];
    let missing = 0;
    for (const { at, ready, figures } of this.#instances.values()) {
      const isFresh = now - at < staleAfter;
      if (isFresh && !ready) continue;
      const value = figures[name];
      if (isFresh && typeof value === 'number') values.push(value);
      else missing++;
    }
    return { values, missing, warming, full: FULL[name] ?? target, growth: GROWTH[name] ?? Infinity };
  }

  /** Mean of a symptom over the instances that have one; 0 when all had nothing to measure; undefined when none knows. */
  symptom(name: SymptomMetric, now: number, staleAfter: number): number | undefined {
    let sum = 0;
    let count = 0;
    let isQuiet = false;
    for (const { at, ready, figures } of this.#instances.values()) {
      if (!ready || now - at >= staleAfter) continue;
      const value = figures[name];
      if (value === null) isQuiet = true;
      else if (value !== undefined) {
        sum += value;
        count++;
      }
    }
    if (count > 0) return sum / count;
    return isQuiet ? 0 : undefined;
  }

  /** Mean of a load over the panic window and the ready instances. */
  panicLoad(name: LoadMetric, now: number, staleAfter: number): number | undefined {
    let sum = 0;
    let count = 0;
    for (const { at, ready, recent } of this.#instances.values()) {
      const mean = recent[name]?.mean;
      if (!ready || now - at >= staleAfter || mean === undefined) continue;
      sum += mean;
      count++;
    }
    return count === 0 ? undefined : sum / count;
  }

  #follow({ figures, recent, at }: Instance): void {
    for (const name of METRICS) if (figures[name] !== undefined) this.#seen.add(name);
    for (const name of LOADS) {
      const value = figures[name];
      if (typeof value === 'number') (recent[name] ??= new WindowMean(PANIC_WINDOW)).add(value, at);
    }
  }

  #followStart(instance: Instance, ready: boolean, at: number): void {
    if (!ready) {
      instance.startedAt ??= at;
      return;
    }
    if (instance.startedAt === undefined) return;
    const took = at - instance.startedAt;
    this.#bootTime = this.#bootTime === undefined ? took : this.#bootTime + BOOT_SMOOTHING * (took - this.#bootTime);
    instance.startedAt = undefined;
  }
}
