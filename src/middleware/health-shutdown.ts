/** The shutdown of a server behind `healthEndpoints`: the drain, and the hooks before and after it. */
import type { Server } from 'node:http';
import type { ConnectionTracker } from '../health/connection-tracker.js';
import type { ReadinessProbe } from '../health/readiness-probe.js';
import { ServerDrain, type DrainTimes } from '../health/server-drain.js';
import type { Clock } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import { callWithin } from '../shared/timed-call.js';
import { warn } from '../shared/warnings.js';

/** Work of the application around the drain of a server. */
export interface ShutdownHooks {
  /** Runs at the start, while the server still serves. It stops listening once this and the drain delay are over. */
  readonly beforeShutdown?: (() => unknown) | undefined;
  /** Runs once the last connection is closed. */
  readonly onSignal?: (() => unknown) | undefined;
}

/** Milliseconds that `onSignal` may take: with the default drain it ends within the 30 s that Kubernetes waits. */
const CLEANUP_TIME = 5000;

/** Runs a hook to its end or to its limit. A hook that fails is reported, and stops nothing. */
async function runHook(name: keyof ShutdownHooks, hook: () => unknown, timeout: number, clock: Clock): Promise<void> {
  const expired = (): Error => new Error(`did not finish within ${timeout} ms`);
  try {
    await callWithin(() => hook(), { clock, timeout, signal: undefined, expired });
  } catch (error) {
    warn('TOOLOO_HEALTH_HOOK_FAILED', `healthEndpoints: option '${name}' failed: ${messageOf(error)}`);
  }
}

/** Shuts servers down, each once. A second call hurries the first. */
export class Shutdowns {
  readonly #probes: ReadinessProbe;
  readonly #connections: ConnectionTracker;
  readonly #times: Omit<DrainTimes, 'before'>;
  readonly #hooks: ShutdownHooks;
  readonly #clock: Clock;
  readonly #running = new WeakMap<Server, { readonly drain: ServerDrain; readonly ended: Promise<void> }>();

  constructor(
    probes: ReadinessProbe,
    connections: ConnectionTracker,
    times: Omit<DrainTimes, 'before'>,
    hooks: ShutdownHooks,
    clock: Clock,
  ) {
    this.#probes = probes;
    this.#connections = connections;
    this.#times = times;
    this.#hooks = hooks;
    this.#clock = clock;
  }

  /** Settles when the server is closed and the hooks are over. */
  shutdown(server: Server): Promise<void> {
    this.#probes.startDraining();
    const running = this.#running.get(server);
    if (running !== undefined) {
      running.drain.hurry();
      return running.ended;
    }
    const { beforeShutdown, onSignal } = this.#hooks;
    const clock = this.#clock;
    const before = beforeShutdown && runHook('beforeShutdown', beforeShutdown, this.#times.timeout, clock);
    const drain = new ServerDrain(server, this.#connections, { ...this.#times, before }, clock);
    const ended = onSignal ? drain.ended.then(() => runHook('onSignal', onSignal, CLEANUP_TIME, clock)) : drain.ended;
    this.#running.set(server, { drain, ended });
    return ended;
  }
}
