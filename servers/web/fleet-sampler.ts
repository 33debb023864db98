/**
 * Reads the pulse of each instance every two seconds and combines the answers into a frame. It runs while a viewer is
 * connected.
 */
import type { ScalingDecision } from '../../src/index.js';
import { SLOT_MS } from '../support/pulse.js';
import type { ProcessFigures, PulseReading } from '../support/pulse-routes.js';
import { repeatingTask, type RepeatingTask } from '../support/repeating-task.js';
import type { ServiceContext } from '../support/service.js';
import { askInstance } from '../support/ask-instance.js';
import { isRunning, listInstances, type FleetInstance } from './fleet-instances.js';
import { TrafficMerge, type TrafficPoint } from './traffic-merge.js';

/** Resource use and traffic of an instance. */
export interface InstanceFigures {
  /**
   * Share of one core, and share of time the event loop was busy, since the previous frame; null in the first frame.
   */
  readonly cpu: number | null;
  readonly loop: number | null;
  /** Bytes. */
  readonly rss: number;
  readonly heapUsed: number;
  readonly inFlight: number;
  /** Requests per second over the slots reported since the previous frame; null without slots. */
  readonly rate: number | null;
  /** Share of these requests that failed. */
  readonly errorRate: number;
  /** Milliseconds since the process started. */
  readonly uptime: number;
  /** Statistics of its pool, cache and limiter, by name. */
  readonly engines: Readonly<Record<string, object>>;
}

export interface FrameInstance extends FleetInstance {
  /** Null if the instance does not answer or does not run. */
  readonly figures: InstanceFigures | null;
}

/**
 * The figures behind the last scaling decision for a service, in instances: 2.5 is the load that 2.5 of them can carry.
 */
export interface ScalingFigures {
  readonly desired: number;
  readonly load: number | null;
  /** The load expected at the time when an instance started now would be ready. */
  readonly forecast: number | null;
}

export interface Frame {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly slotMs: number;
  readonly isOrchestrated: boolean;
  readonly instances: readonly FrameInstance[];
  /** Services without an instance. */
  readonly missing: readonly string[];
  /** The points that were completed since the previous frame, oldest first. */
  readonly points: readonly TrafficPoint[];
  /** By service; null without an orchestrator. */
  readonly scaling: Readonly<Record<string, ScalingFigures>> | null;
}

type Parts = Pick<ServiceContext, 'peers' | 'controlToken' | 'workers' | 'clock' | 'log'>;

/** Milliseconds for which sampling continues without a viewer, so that reloading the page leaves no gap. */
const LINGER = 10_000;

export class FleetSampler {
  readonly #parts: Parts;
  readonly #publish: (frame: Frame) => void;
  readonly #merge = new TrafficMerge();
  readonly #processes = new Map<string, PulseReading>();
  #task: RepeatingTask | undefined;
  #watchers = 0;
  #watchedAt = 0;

  constructor(parts: Parts, publish: (frame: Frame) => void) {
    this.#parts = parts;
    this.#publish = publish;
  }

  get isRunning(): boolean {
    return this.#task !== undefined;
  }

  /** Sets the number of viewers. The first one starts the sampling. It stops some seconds after the last one leaves. */
  watchedBy(watchers: number): void {
    this.#watchers = watchers;
    this.#watchedAt = this.#parts.clock.now();
    if (watchers === 0 || this.#task !== undefined) return;
    const { clock, log } = this.#parts;
    this.#task = repeatingTask({
      clock,
      interval: SLOT_MS,
      firstAfter: 0,
      maxBackoff: SLOT_MS,
      run: () => this.#tick(),
      onError: (err) => log.warn({ err }, 'the fleet could not be sampled'),
    });
  }

  async close(): Promise<void> {
    const task = this.#task;
    this.#task = undefined;
    await task?.close();
  }

  async #tick(): Promise<void> {
    const now = this.#parts.clock.now();
    if (this.#watchers === 0 && now - this.#watchedAt >= LINGER) {
      void this.close(); // waits for the current run
      return;
    }
    const { instances, missing, isOrchestrated } = await listInstances(this.#parts);
    const [scaling, ...sampled] = await Promise.all([
      this.#scaling(instances),
      ...instances.map((instance) => this.#sample(instance)),
    ]);
    const present = new Set(sampled.flatMap(({ id, figures }) => (figures === null ? [] : [id])));
    for (const id of this.#processes.keys()) if (!present.has(id)) this.#processes.delete(id);
    const points = this.#merge.take(present);
    const at = this.#parts.clock.now();
    this.#publish({ at, slotMs: SLOT_MS, isOrchestrated, instances: sampled, missing, points, scaling });
  }

  async #scaling(instances: readonly FleetInstance[]): Promise<Frame['scaling']> {
    const orchestrator = instances.find(({ service }) => service === 'orchestrator');
    if (orchestrator === undefined) return null;
    try {
      const status = await askInstance<ScalingStatus>(orchestrator, '/api/v1/system/scaling-status', this.#parts);
      return status === undefined ? null : scalingFigures(status);
    } catch {
      return null; // its own row shows that it is unavailable
    }
  }

  async #sample(instance: FleetInstance): Promise<FrameInstance> {
    const { id, service } = instance;
    if (!isRunning(instance)) return { ...instance, figures: null };
    try {
      const since = this.#merge.lastOf(id);
      const reading = await askInstance<PulseReading>(instance, `/api/v1/system/pulse?since=${since}`, this.#parts);
      if (reading === undefined) return { ...instance, figures: null };
      this.#merge.add(id, service, reading.slots);
      const before = this.#processes.get(id);
      this.#processes.set(id, reading);
      const figures = figuresOf(reading, before?.pid === reading.pid ? before.process : undefined);
      return { ...instance, pid: reading.pid, figures };
    } catch {
      return { ...instance, figures: null }; // the page shows that it does not answer
    }
  }
}

/** The members of the orchestrator's response that are used here. */
interface ScalingStatus {
  readonly services: Readonly<Record<string, { readonly lastDecision: ScalingDecision | null }>>;
}

function scalingFigures({ services }: ScalingStatus): Record<string, ScalingFigures> {
  const decided = Object.entries(services).flatMap(([service, { lastDecision: decision }]) =>
    decision === null ? [] : [[service, decision] as const],
  );
  return Object.fromEntries(
    decided.map(([service, { desired, forecast }]) => [
      service,
      { desired, load: forecast?.current ?? null, forecast: forecast?.load ?? null },
    ]),
  );
}

function figuresOf(reading: PulseReading, before: ProcessFigures | undefined): InstanceFigures {
  const { slots, slotMs, inFlight, engines, process } = reading;
  const tallies = slots.flatMap(({ requests }) => Object.values(requests));
  const count = tallies.reduce((sum, tally) => sum + tally.count, 0);
  const errors = tallies.reduce((sum, tally) => sum + tally.errors, 0);
  const { rss, heapUsed, uptime } = process;
  return {
    ...usage(process, before),
    rss,
    heapUsed,
    inFlight,
    rate: slots.length === 0 ? null : (1000 * count) / (slots.length * slotMs),
    errorRate: count === 0 ? 0 : errors / count,
    uptime,
    engines,
  };
}

/** Resource use between two readings, as shares of the time. */
function usage(now: ProcessFigures, before: ProcessFigures | undefined): Pick<InstanceFigures, 'cpu' | 'loop'> {
  const elapsed = now.uptime - (before?.uptime ?? now.uptime);
  if (before === undefined || elapsed <= 0) return { cpu: null, loop: null };
  const active = now.loopActive - before.loopActive;
  const idle = now.loopIdle - before.loopIdle;
  return { cpu: (now.cpu - before.cpu) / elapsed, loop: active + idle > 0 ? active / (active + idle) : null };
}
