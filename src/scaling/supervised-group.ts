/** Instances that are started and supervised one by one: their ports, names and order. */
import { sleep, type Clock } from '../shared/clock.js';
import { asError, ResilienceError } from '../shared/errors.js';
import type { FoundInstance, RunningInstance, ScalingDriver } from './driver.js';
import type { Growth, InstanceDetails, InstanceGroup } from './instance-group.js';
import { InstanceSupervisor } from './instance-supervisor.js';
import type { ProcessUsage } from './process-usage.js';
import type { RestartPolicy } from './restart-budget.js';
import { describe, portOf } from './supervised-details.js';

export interface SupervisedGroupParts {
  readonly service: string;
  readonly driver: ScalingDriver;
  /** Port of the first instance; with 0 each one gets a free port. */
  readonly port: number;
  readonly portStep: number;
  readonly restart: RestartPolicy | undefined;
  readonly clock: Clock;
  /** Whether callers find an instance on another port. */
  readonly canMove: boolean;
  /** Milliseconds between the readiness of an instance and the drain of its predecessor. */
  readonly settleTime: number;
  /** Whether an instance of any service uses the port. */
  readonly isTaken: (port: number) => boolean;
  readonly drain: (instance: RunningInstance, signal: AbortSignal) => Promise<void>;
  /** Called on each change of state, and with `stopped` once an instance is forgotten. */
  readonly onState: (details: InstanceDetails) => void;
}

interface Place {
  readonly number: number;
  readonly port: number;
}

const HIGHEST_PORT = 65_535;
/** Maximum number of ports used by other programs that are skipped before an error is reported. */
const MAX_STRANGERS = 10;

export class SupervisedGroup implements InstanceGroup {
  readonly #parts: SupervisedGroupParts;
  /** By number, in the order of their start. The first one exists from the beginning, stopped. */
  readonly #members = new Map<number, InstanceSupervisor>();

  constructor(parts: SupervisedGroupParts) {
    this.#parts = parts;
    this.#supervise({ number: 1, port: parts.port });
  }

  get count(): number {
    return [...this.#members.values()].filter(({ current }) => ['starting', 'ready', 'waiting'].includes(current.state))
      .length;
  }

  get details(): readonly InstanceDetails[] {
    return [...this.#members.values()].map(describe);
  }

  /** Whether an instance uses this port or will use it. */
  has(port: number): boolean {
    return [...this.#members.values()].some((one) => one.spec.port === port || portOf(one) === port);
  }

  async grow(count: number, signal: AbortSignal): Promise<Growth> {
    this.#forgetIdle();
    const results = await Promise.allSettled(Array.from({ length: count }, () => this.#add(signal)));
    return {
      added: results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
      failures: results.flatMap((one) => (one.status === 'rejected' ? [asError(one.reason)] : [])),
    };
  }

  async shrink(count: number, signal: AbortSignal): Promise<readonly InstanceDetails[]> {
    this.#forgetIdle();
    const leaving = [...this.#members].sort(byUsefulness).slice(0, count);
    return Promise.all(leaving.map(([number, one]) => this.#remove(number, one, signal)));
  }

  async start(count: number, signal: AbortSignal): Promise<void> {
    while (this.#members.size < count) this.#supervise(this.#nextPlace(new Set()));
    await Promise.all([...this.#members.values()].map((one) => endingOn(signal, one, one.start())));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#members.values()].map((one) => one.stop()));
  }

  /**
   * Restarts in place, so that each instance keeps its port. The others serve meanwhile. A single instance gets a
   * substitute.
   */
  async restart(signal: AbortSignal): Promise<void> {
    const only = this.count === 1 ? [...this.#members].find(([, one]) => one.current.state === 'ready') : undefined;
    if (only === undefined || !this.canMove) return this.#restartInPlace(signal);
    const { id } = await this.#add(signal);
    const substitute = [...this.#members].find(([, one]) => one.spec.id === id)!;
    try {
      await sleep(this.#parts.clock, this.#parts.settleTime, signal);
      await this.#restartOne(only[1], true, signal);
      await sleep(this.#parts.clock, this.#parts.settleTime, signal);
    } finally {
      // If the instance did not restart, the substitute remains in its place.
      if (only[1].current.state === 'ready') await this.#remove(...substitute, signal);
      else if (only[1].current.state !== 'waiting') this.#forgetIdle();
    }
  }

  async #restartInPlace(signal: AbortSignal): Promise<void> {
    for (const one of this.#members.values()) {
      await this.#restartOne(one, this.count > 1, signal);
    }
  }

  async #restartOne(one: InstanceSupervisor, drain: boolean, signal: AbortSignal): Promise<void> {
    await endingOn(signal, one, one.stop({ drain }));
    signal.throwIfAborted();
    await endingOn(signal, one, one.start());
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  /** Whether an instance on another port would receive requests. */
  get canMove(): boolean {
    return this.#parts.canMove && this.#parts.driver.sharesPort !== true;
  }

  isReady(id: string): boolean {
    return this.#readyOne(id) !== undefined;
  }

  /** Whether other instances are ready. */
  hasOthers(id: string): boolean {
    return [...this.#members.values()].some((one) => one.spec.id !== id && one.current.state === 'ready');
  }

  usageOf(id: string): ProcessUsage | undefined {
    const current = this.#readyOne(id)?.[1].current;
    return current?.state === 'ready' ? this.#parts.driver.usage?.(current.instance) : undefined;
  }

  /** Stops an instance that does not work, and restarts it. */
  async replace(id: string, reason: string): Promise<void> {
    await this.#readyOne(id)?.[1].replace(reason);
  }

  /**
   * Starts a successor, and stops the instance at once when that is ready. An instance that does not answer cannot
   * drain.
   */
  async succeed(id: string, signal: AbortSignal): Promise<{ added: InstanceDetails[]; removed: InstanceDetails[] }> {
    const old = this.#readyOne(id);
    if (old === undefined) throw new ResilienceError('CONFLICT', `${id} is no longer ready`);
    const successor = await this.#add(signal);
    const last = describe(old[1]);
    await endingOn(signal, old[1], old[1].stop({ timeout: 0 }));
    this.#forget(old[0]);
    return { added: [successor], removed: [last] };
  }

  #readyOne(id: string): [number, InstanceSupervisor] | undefined {
    return [...this.#members].find(([, one]) => one.spec.id === id && one.current.state === 'ready');
  }

  /** Starts a successor on another port, and stops the instance when all callers know the successor. */
  async migrate(fromPort: number, toPort: number, signal: AbortSignal): Promise<InstanceDetails> {
    if (this.#parts.driver.sharesPort === true)
      throw new ResilienceError('CONFLICT', `all instances of ${this.#parts.service} share one port`);
    const [number, old] = [...this.#members].find(([, one]) => portOf(one) === fromPort) ?? [];
    if (number === undefined || old?.current.state !== 'ready')
      throw new ResilienceError('CONFLICT', `the instance on port ${fromPort} is no longer ready`);
    if (toPort !== 0 && this.#parts.isTaken(toPort))
      throw new ResilienceError('CONFLICT', `port ${toPort} belongs to another instance`);
    const place = { number: this.#nextPlace(new Set()).number, port: toPort };
    const added = await this.#launch(place, signal).catch((error: unknown) => {
      if (!isPortInUse(error)) throw error;
      throw new ResilienceError('CONFLICT', `port ${toPort} is in use by another program`, { cause: error });
    });
    try {
      await sleep(this.#parts.clock, this.#parts.settleTime, signal);
    } catch (error) {
      await this.#members.get(place.number)?.stop(); // cancelled: the old instance stays, and the new one is surplus
      this.#forget(place.number);
      throw error;
    }
    await this.#remove(number, old, signal);
    return added;
  }

  /** Adopts a running instance. Returns false if it has ended or its name is taken. */
  async adopt(found: FoundInstance): Promise<boolean> {
    const { service, port, driver } = this.#parts;
    const number = Number(found.id.slice(service.length + 1));
    const known = this.#members.get(number);
    if (found.id !== `${service}-${number}` || (known !== undefined && known.current.state !== 'stopped')) return false;
    const instance = driver.adopt?.(found);
    if (instance === undefined) return false;
    this.#forgetIdle();
    await this.#supervise({ number, port: port === 0 ? 0 : found.port }).adopt(instance);
    return true;
  }

  /** Adds an instance on the next port that no other program uses. */
  async #add(signal: AbortSignal): Promise<InstanceDetails> {
    const strangers = new Set<number>();
    for (;;) {
      const place = this.#nextPlace(strangers);
      try {
        return await this.#launch(place, signal);
      } catch (error) {
        if (!isPortInUse(error) || place.port === 0 || strangers.size === MAX_STRANGERS) throw error;
        strangers.add(place.number);
      }
    }
  }

  async #launch(place: Place, signal: AbortSignal): Promise<InstanceDetails> {
    const one = this.#supervise(place);
    try {
      await endingOn(signal, one, one.startOnce());
      return describe(one);
    } catch (error) {
      this.#forget(place.number);
      throw error;
    }
  }

  async #remove(number: number, one: InstanceSupervisor, signal: AbortSignal): Promise<InstanceDetails> {
    const last = describe(one);
    await endingOn(signal, one, one.stop({ drain: true }));
    this.#forget(number);
    return last;
  }

  /** Forgets failed and stopped instances. Their names and ports are the next to be used. */
  #forgetIdle(): void {
    for (const [number, { current }] of this.#members)
      if (current.state === 'failed' || current.state === 'stopped') this.#forget(number);
  }

  #forget(number: number): void {
    const one = this.#members.get(number);
    if (one === undefined || !this.#members.delete(number)) return;
    this.#parts.onState({ ...describe(one), state: 'stopped' });
  }

  /** The lowest number with a free name and port. */
  #nextPlace(excluded: ReadonlySet<number>): Place {
    const { service, port, portStep, driver, isTaken } = this.#parts;
    for (let number = 1; ; number++) {
      const place = { number, port: port === 0 || driver.sharesPort === true ? port : port + (number - 1) * portStep };
      if (place.port > HIGHEST_PORT) throw new ResilienceError('CONFLICT', `${service} has no port left`);
      if (this.#members.has(number) || excluded.has(number)) continue;
      if (driver.sharesPort === true || place.port === 0 || !isTaken(place.port)) return place;
    }
  }

  #supervise({ number, port }: Place): InstanceSupervisor {
    const { service, driver, restart, clock, drain, onState } = this.#parts;
    const one = new InstanceSupervisor({
      driver,
      spec: { service, id: `${service}-${number}`, port },
      clock,
      drain,
      ...(restart !== undefined && { restart }),
    });
    this.#members.set(number, one);
    one.onChange(() => onState(describe(one)));
    return one;
  }
}

const USEFULNESS = ['waiting', 'starting', 'ready', 'stopping'];

/** The least useful first; among equals the newest. */
function byUsefulness([a, one]: [number, InstanceSupervisor], [b, other]: [number, InstanceSupervisor]): number {
  return USEFULNESS.indexOf(one.current.state) - USEFULNESS.indexOf(other.current.state) || b - a;
}

/** Waits for work on an instance. If the command is cancelled meanwhile, stops the instance at once. */
async function endingOn(signal: AbortSignal, one: InstanceSupervisor, work: Promise<void>): Promise<void> {
  const end = (): void => void one.stop();
  signal.addEventListener('abort', end, { once: true });
  try {
    await work;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function isPortInUse(error: unknown): boolean {
  return ResilienceError.is(error) && error.extensions['portInUse'] === true;
}
