/** Instances started one by one and each kept running: ports, names, and who goes first. */
import { sleep, type Clock } from '../shared/clock.js';
import { asError, ResilienceError } from '../shared/errors.js';
import type { FoundInstance, RunningInstance, ScalingDriver } from './driver.js';
import type { Growth, InstanceDetails, InstanceGroup } from './instance-group.js';
import { InstanceSupervisor } from './instance-supervisor.js';
import type { RestartPolicy } from './restart-budget.js';
import { describe, portOf } from './supervised-details.js';

export interface SupervisedGroupParts {
  readonly service: string;
  readonly driver: ScalingDriver;
  /** Port of the first instance; 0 lets each have any that is free. */
  readonly port: number;
  readonly portStep: number;
  readonly restart: RestartPolicy | undefined;
  readonly clock: Clock;
  /** Milliseconds between an instance being ready and its predecessor being drained. */
  readonly settleTime: number;
  /** Whether an instance of any service has the port. */
  readonly isTaken: (port: number) => boolean;
  readonly drain: (instance: RunningInstance, signal: AbortSignal) => Promise<void>;
  /** Told of every change of state, and with `stopped` once an instance is forgotten. */
  readonly onState: (details: InstanceDetails) => void;
}

interface Place {
  readonly number: number;
  readonly port: number;
}

const HIGHEST_PORT = 65_535;
/** Ports of strangers passed over before it is told that something is wrong. */
const MAX_STRANGERS = 10;

export class SupervisedGroup implements InstanceGroup {
  readonly #parts: SupervisedGroupParts;
  /** By number, in the order of their start. The first is known from the beginning, stopped. */
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

  /** Whether an instance has this port, or is to have it. */
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

  /** In place, so that each keeps its port: the others serve meanwhile, or callers wait for the only one. */
  async restart(signal: AbortSignal): Promise<void> {
    for (const one of this.#members.values()) {
      await endingOn(signal, one, one.stop({ drain: this.count > 1 }));
      signal.throwIfAborted();
      await endingOn(signal, one, one.start());
    }
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  /** Ends and starts again an instance that runs but is of no use. */
  async replace(port: number, reason: string): Promise<void> {
    for (const one of this.#members.values()) if (portOf(one) === port) await one.replace(reason);
  }

  /** Starts a successor on another port, and ends the instance once that one has settled in. */
  async migrate(fromPort: number, toPort: number, signal: AbortSignal): Promise<InstanceDetails> {
    if (this.#parts.driver.sharesPort === true)
      throw new ResilienceError('CONFLICT', `all instances of ${this.#parts.service} share one port`);
    const [number, old] = [...this.#members].find(([, one]) => portOf(one) === fromPort) ?? [];
    if (number === undefined || old?.current.state !== 'ready')
      throw new ResilienceError('CONFLICT', `the instance on port ${fromPort} is not ready any more`);
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
      await this.#members.get(place.number)?.stop(); // given up: the old one stays, and there is one too many
      this.#forget(place.number);
      throw error;
    }
    await this.#remove(number, old, signal);
    return added;
  }

  /** Takes over an instance that runs already. False when it is gone, or its name is taken. */
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

  /** Adds an instance on the next port that no stranger has. */
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

  /** What failed for good or was stopped makes room: its name and port are the next to be used. */
  #forgetIdle(): void {
    for (const [number, { current }] of this.#members)
      if (current.state === 'failed' || current.state === 'stopped') this.#forget(number);
  }

  #forget(number: number): void {
    const one = this.#members.get(number);
    if (one === undefined || !this.#members.delete(number)) return;
    this.#parts.onState({ ...describe(one), state: 'stopped' });
  }

  /** The lowest number whose name and port are free. */
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

/** The least useful first; of equals the newest. */
function byUsefulness([a, one]: [number, InstanceSupervisor], [b, other]: [number, InstanceSupervisor]): number {
  return USEFULNESS.indexOf(one.current.state) - USEFULNESS.indexOf(other.current.state) || b - a;
}

/** Waits for what is done to an instance; where the command is given up meanwhile, ends the instance at once. */
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
