/** The latest report of each instance of one service, and the figures derived from them. */
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
import { DemandBook, type DemandReading } from './demand.js';
import { WindowMean } from './window-mean.js';

/** Number of instances of a service by state. */
export interface InstanceCounts {
  /** Ready and reporting. */
  readonly ready: number;
  /** Ready at the last report, and silent since then. */
  readonly missing: number;
  /** Starting, or ordered and not reported yet. */
  readonly warming: number;
}

type Figures = Partial<Record<ScalingMetric, number | null>>;

interface Instance {
  at: number;
  ready: boolean;
  figures: Figures;
  /** Did not answer the request for its figures in time. */
  silent: boolean;
  requests: number | undefined;
  /** Time of the first report as starting; undefined once it is ready. */
  startedAt: number | undefined;
  readonly recent: Partial<Record<LoadMetric, WindowMean>>;
}

/** Limits the memory that a faulty caller can use. It is far above any sensible `max` for one orchestrator. */
const MAX_INSTANCES = 1000;
/** An instance that is silent for this multiple of `staleAfter` is forgotten and no longer counts. */
const FORGET_AFTER = 10;
/** A larger figure is an error of the reporter. It would also make sums imprecise. */
const LARGEST = 1e9;
/** CPU percentage from which a silent process counts as busy and not as hung. */
const BUSY = 70;
/** Milliseconds: the panic window of Knative. */
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

/**
 * The instances of one service. All results are for a given time. An instance without a recent report is missing then.
 */
export class FleetSamples {
  /** The demand that callers report for this service. */
  readonly demand = new DemandBook();
  readonly #instances = new Map<string, Instance>();
  readonly #seen = new Set<ScalingMetric>();
  #bootTime: number | undefined;

  /** Metrics that any instance has ever reported. */
  get seen(): ReadonlySet<ScalingMetric> {
    return this.#seen;
  }

  /** Recent boot time in milliseconds; undefined before the first start observed from launch to ready. */
  get bootTime(): number | undefined {
    return this.#bootTime;
  }

  /**
   * Adds a report. Returns false if it is older than the previous one of the instance, or if there are too many
   * instances.
   */
  record(sample: InstanceSample, now: number): boolean {
    const { instance: id = 'default', ready = true } = sample;
    const at = Number.isFinite(sample.at) ? Math.min(sample.at!, now) : now;
    const known = this.#instances.get(id);
    if (known === undefined ? this.#instances.size >= MAX_INSTANCES : at < known.at) return false;
    const instance = known ?? {
      ...{ at, ready, figures: {}, silent: false, requests: undefined, startedAt: undefined },
      recent: {},
    };
    this.#instances.set(id, instance);
    this.#followStart(instance, ready, at);
    instance.at = at;
    instance.ready = ready;
    instance.silent = sample.silent === true;
    instance.requests = typeof sample.requests === 'number' ? sample.requests : undefined;
    instance.figures = readFigures(sample);
    if (instance.silent)
      this.#seen.add('cpu'); // known from outside, if it is known at all
    else if (ready) this.#follow(instance);
    return true;
  }

  remove(id: string): boolean {
    this.demand.forget(id);
    return this.#instances.delete(id);
  }

  counts(now: number, staleAfter: number): InstanceCounts {
    let ready = 0;
    let missing = 0;
    let warming = 0;
    for (const [id, instance] of this.#instances) {
      const silence = now - instance.at;
      if (silence >= staleAfter * FORGET_AFTER) this.#instances.delete(id);
      else if (this.#isSaturated(id, instance, now, staleAfter)) ready++;
      else if (silence >= staleAfter || instance.silent) missing++;
      else if (instance.ready) ready++;
      else warming++;
    }
    return { ready, missing, warming };
  }

  /** The reading of a load. `warming` is the caller's count and includes launches that are not reported yet. */
  load(name: LoadMetric, target: number, warming: number, now: number, staleAfter: number): LoadReading {
    const values: number[] = [];
    let missing = 0;
    for (const [id, instance] of this.#instances) {
      const isFresh = now - instance.at < staleAfter;
      if (isFresh && !instance.ready) continue;
      let value: number | null | undefined;
      if (this.#isSaturated(id, instance, now, staleAfter)) value = this.#saturatedFigure(name, id, now, staleAfter);
      else if (isFresh && !instance.silent) value = instance.figures[name];
      if (typeof value === 'number') values.push(value);
      else missing++;
    }
    return { values, missing, warming, full: FULL[name] ?? target, growth: GROWTH[name] ?? Infinity };
  }

  /**
   * Mean of a symptom over the instances that have one. 0 if all had nothing to measure; undefined if it is unknown for
   * all.
   */
  symptom(name: SymptomMetric, now: number, staleAfter: number): { value: number | undefined; isQuiet: boolean } {
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
    if (count > 0) return { value: sum / count, isQuiet: false };
    return { value: isQuiet ? 0 : undefined, isQuiet };
  }

  /** Number of requests behind the symptoms; undefined if no instance counts them. */
  requests(now: number, staleAfter: number): number | undefined {
    let sum: number | undefined;
    for (const { at, ready, requests } of this.#instances.values())
      if (ready && now - at < staleAfter && requests !== undefined) sum = (sum ?? 0) + requests;
    return sum;
  }

  /** The callers' requests in progress; undefined if no caller reports them. */
  readDemand(now: number, staleAfter: number): DemandReading | undefined {
    const saturated = [...this.#instances].filter(([id, one]) => this.#isSaturated(id, one, now, staleAfter));
    const total = this.demand.total(now, staleAfter);
    if (total === undefined && saturated.length === 0) return undefined;
    return { inFlight: 0, waiting: 0, latency: null, ...total, saturated: saturated.map(([id]) => id) };
  }

  /** Silent while it receives requests or its process is busy: it is too busy to answer. */
  #isSaturated(id: string, { at, ready, silent, figures }: Instance, now: number, staleAfter: number): boolean {
    const isFresh = now - at < staleAfter;
    if (!ready || (isFresh && !silent)) return false;
    if (isFresh && (figures.cpu ?? 0) >= BUSY) return true;
    return (this.demand.of(id, now, staleAfter)?.inFlight ?? 0) > 0;
  }

  /**
   * A saturated instance counts as using its full limit. All requests that callers wait for, except the one in
   * progress, count as its queue.
   */
  #saturatedFigure(name: LoadMetric, id: string, now: number, staleAfter: number): number | undefined {
    if (name === 'cpu') return FULL.cpu;
    if (name === 'memory') return undefined;
    const inFlight = this.demand.of(id, now, staleAfter)?.inFlight;
    if (inFlight === undefined) return undefined;
    return name === 'inFlight' ? inFlight : Math.max(0, inFlight - 1);
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
