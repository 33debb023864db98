/** One service of the manager: its bounds, its queue of commands, and the record of each command. */
import { wallClock } from '../shared/clock.js';
import { messageOf, ResilienceError } from '../shared/errors.js';
import { CommandQueue } from './command-queue.js';
import type { FoundInstance } from './driver.js';
import type { InstanceDetails, InstanceGroup } from './instance-group.js';
import type { ServicePlan } from './manager-options.js';
import type { ScalingEvent, ScalingHistory, ScalingRecord } from './scaling-history.js';
import { SupervisedGroup } from './supervised-group.js';

/** The result of a command. */
export interface ScalingOutcome {
  readonly service: string;
  /** Number of instances before and after, as counted by `getInstanceCount`. */
  readonly from: number;
  readonly to: number;
  readonly added: readonly InstanceDetails[];
  readonly removed: readonly InstanceDetails[];
  /** Why fewer instances changed than requested: the bounds, or failed starts. Null if all changed. */
  readonly shortfall: string | null;
}

/** The requester, for the history. */
export interface CommandOptions {
  readonly reason?: string;
}

/** The effects of a command. */
type Done = Partial<Pick<ScalingOutcome, 'added' | 'removed' | 'shortfall'>>;

type Facts = Pick<ScalingRecord, 'from' | 'to'> &
  Partial<Pick<ScalingRecord, 'instances' | 'outcome' | 'error'>> &
  CommandOptions;

/** The recorded events, by the state that an instance enters by itself. */
const INCIDENTS: Partial<Record<InstanceDetails['state'], ScalingEvent>> = { waiting: 'CRASH', failed: 'CRASH_LOOP' };

export class ManagedService {
  plan: ServicePlan;
  readonly name: string;
  readonly group: InstanceGroup;
  readonly #history: ScalingHistory;
  readonly #queue = new CommandQueue();

  constructor(name: string, plan: ServicePlan, group: InstanceGroup, history: ScalingHistory) {
    this.name = name;
    this.plan = plan;
    this.group = group;
    this.#history = history;
  }

  /** Whether a command runs or waits. */
  get isBusy(): boolean {
    return this.#queue.size > 0;
  }

  /** The group, if this process runs the instances itself. */
  get supervised(): SupervisedGroup | undefined {
    return this.group instanceof SupervisedGroup ? this.group : undefined;
  }

  scaleUp(count: number, options: CommandOptions): Promise<ScalingOutcome> {
    return this.#command('SCALE_UP', options, async (signal) => {
      const { max } = this.plan;
      const room = max - this.group.count;
      if (room <= 0) throw new ResilienceError('CONFLICT', `${this.name} has its maximum of ${max} instances`);
      const { added, failures } = await this.group.grow(Math.min(count, room), signal);
      if (added.length === 0 && failures[0] !== undefined) throw failures[0];
      return { added, shortfall: failures[0]?.message ?? (room < count ? `the maximum is ${max}` : null) };
    });
  }

  scaleDown(count: number, options: CommandOptions): Promise<ScalingOutcome> {
    return this.#command('SCALE_DOWN', options, async (signal) => {
      const { min } = this.plan;
      const spare = this.group.count - min;
      if (spare <= 0) throw new ResilienceError('CONFLICT', `${this.name} has no more than its minimum of ${min}`);
      const removed = await this.group.shrink(Math.min(count, spare), signal);
      return { removed, shortfall: spare < count ? `the minimum is ${min}` : null };
    });
  }

  migrate(from: InstanceDetails, toPort: number, options: CommandOptions): Promise<ScalingOutcome> {
    return this.#command('MIGRATE', options, async (signal) => {
      if (this.supervised === undefined)
        throw new ResilienceError('CONFLICT', `a scheduler decides where ${this.name} runs`);
      return { added: [await this.supervised.migrate(from.port, toPort, signal)], removed: [from] };
    });
  }

  start(options: CommandOptions): Promise<ScalingOutcome> {
    return this.#command('START', options, async (signal) => {
      await this.group.start(Math.max(1, this.plan.min), signal);
      const { details } = this.group;
      return { added: details, shortfall: details.find(({ reason }) => reason !== null)?.reason ?? null };
    });
  }

  stop(options: CommandOptions): Promise<ScalingOutcome> {
    this.#queue.interrupt('a stop');
    return this.#command('STOP', options, async () => {
      const removed = this.group.details;
      await this.group.stop();
      return { removed };
    });
  }

  /** Replaces an instance that does not work. The last ready one is stopped only after its successor is ready. */
  async replace(id: string, reason: string): Promise<void> {
    const { supervised: group } = this;
    if (group === undefined || this.isBusy) return;
    if (group.hasOthers(id) || !group.canMove) return group.replace(id, reason);
    await this.#command('RESTART', { reason: `${id} ${reason}` }, async (signal) => group.succeed(id, signal));
  }

  restart(options: CommandOptions): Promise<ScalingOutcome> {
    return this.#command('RESTART', options, async (signal) => {
      await this.group.restart(signal);
      return {};
    });
  }

  /** False if the instance has ended, its name is taken, or the driver does not support it. */
  async adopt(found: FoundInstance): Promise<boolean> {
    const isAdopted = (await this.supervised?.adopt(found)) ?? false;
    const { count } = this.group;
    if (isAdopted) this.#record('ADOPT', { from: count - 1, to: count, instances: [found.id] });
    return isAdopted;
  }

  /** Records an incident of an instance. */
  noteIncident({ id, state, reason }: InstanceDetails): void {
    const event = INCIDENTS[state];
    const { count } = this.group;
    if (event !== undefined)
      this.#record(event, { from: count, to: count, instances: [id], error: reason, outcome: 'failed' });
  }

  /** Cancels all commands. Settles when no command is left. */
  async giveUp(): Promise<void> {
    this.#queue.interrupt('the end');
    await this.#queue.idle();
  }

  /** Runs a command in its turn, and records the result. */
  #command(
    event: ScalingEvent,
    options: CommandOptions,
    run: (signal: AbortSignal) => Promise<Done>,
  ): Promise<ScalingOutcome> {
    return this.#queue.run(async (signal) => {
      await this.group.refresh(); // others may scale it too, which must not break the bounds
      const from = this.group.count;
      try {
        const { added = [], removed = [], shortfall = null } = await run(signal);
        const to = this.group.count;
        const instances = [...added, ...removed].map(({ id }) => id);
        const outcome = shortfall === null ? 'done' : 'partial';
        this.#record(event, { ...options, from, to, instances, outcome, error: shortfall });
        return { service: this.name, from, to, added, removed, shortfall };
      } catch (error) {
        const to = this.group.count;
        this.#record(event, { ...options, from, to, outcome: 'failed', error: messageOf(error) });
        throw error;
      }
    });
  }

  #record(event: ScalingEvent, { reason = '', ...facts }: Facts): void {
    const rest = { outcome: 'done', instances: [], error: null, ...facts } as const;
    const at = wallClock.now();
    this.#history.record({ at, service: this.name, event, ...rest, reason: reason === '' ? null : reason });
  }
}
