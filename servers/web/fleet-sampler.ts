/** Asks every instance for its pulse every other second, and makes one frame of the answers. Runs while somebody looks. */
import type { ScalingDecision } from '../../src/index.js';
import { SLOT_MS } from '../support/pulse.js';
import type { ProcessFigures, PulseReading } from '../support/pulse-routes.js';
import { repeatingTask, type RepeatingTask } from '../support/repeating-task.js';
import type { ServiceContext } from '../support/service.js';
import { askInstance } from './ask-instance.js';
import { isRunning, listInstances, type FleetInstance } from './fleet-instances.js';
import { TrafficMerge, type TrafficPoint } from './traffic-merge.js';

/** What an instance uses and does now. */
export interface InstanceFigures {
  /** Share of one core, and of the time the event loop was busy, since the frame before; null in the first. */
  readonly cpu: number | null;
  readonly loop: number | null;
  /** Bytes. */
  readonly rss: number;
  readonly heapUsed: number;
  readonly inFlight: number;
  /** Requests a second over the slots told since the frame before; null where none was. */
  readonly rate: number | null;
  /** Share of them that failed. */
  readonly errorRate: number;
  /** Milliseconds since it began. */
  readonly uptime: number;
  /** Statistics of its pool, cache, limiter, by name. */
  readonly engines: Readonly<Record<string, object>>;
}

export interface FrameInstance extends FleetInstance {
  /** Null where it does not answer, or does not run. */
  readonly figures: InstanceFigures | null;
}

/** What the last decision on a service's size rests on, in instances: 2.5 is what 2.5 of them carry. */
export interface ScalingFigures {
  readonly desired: number;
  readonly load: number | null;
  /** The load expected when an instance started now would serve. */
  readonly forecast: number | null;
}

export interface Frame {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly slotMs: number;
  readonly isOrchestrated: boolean;
  readonly instances: readonly FrameInstance[];
  /** What became known since the frame before, the oldest first. */
  readonly points: readonly TrafficPoint[];
  /** By service; null without an orchestrator. */
  readonly scaling: Readonly<Record<string, ScalingFigures>> | null;
}

type Parts = Pick<ServiceContext, 'peers' | 'controlToken' | 'clock' | 'log'>;

/** Milliseconds it goes on without anybody looking: a page that is loaded again finds no gap. */
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

  /** How many look now: the first begins the sampling, some seconds after the last it ends. */
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
      void this.close(); // waits for this very run
      return;
    }
    const { instances, isOrchestrated } = await listInstances(this.#parts);
    const [scaling, ...sampled] = await Promise.all([
      this.#scaling(instances),
      ...instances.map((instance) => this.#sample(instance)),
    ]);
    const present = new Set(sampled.flatMap(({ id, figures }) => (figures === null ? [] : [id])));
    for (const id of this.#processes.keys()) if (!present.has(id)) this.#processes.delete(id);
    const points = this.#merge.take(present);
    const at = this.#parts.clock.now();
    this.#publish({ at, slotMs: SLOT_MS, isOrchestrated, instances: sampled, points, scaling });
  }

  async #scaling(instances: readonly FleetInstance[]): Promise<Frame['scaling']> {
    const orchestrator = instances.find(({ service }) => service === 'orchestrator');
    if (orchestrator === undefined) return null;
    try {
      const status = await askInstance<ScalingStatus>(orchestrator, '/api/v1/system/scaling-status', this.#parts);
      return status === undefined ? null : scalingFigures(status);
    } catch {
      return null; // that it is away is told by its own row
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
      return { ...instance, figures: null }; // the page says that it does not answer
    }
  }
}

/** As much as is read of the orchestrator's answer. */
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

/** Shares of the time between two readings. */
function usage(now: ProcessFigures, before: ProcessFigures | undefined): Pick<InstanceFigures, 'cpu' | 'loop'> {
  const elapsed = now.uptime - (before?.uptime ?? now.uptime);
  if (before === undefined || elapsed <= 0) return { cpu: null, loop: null };
  const active = now.loopActive - before.loopActive;
  const idle = now.loopIdle - before.loopIdle;
  return { cpu: (now.cpu - before.cpu) / elapsed, loop: active + idle > 0 ? active / (active + idle) : null };
}
