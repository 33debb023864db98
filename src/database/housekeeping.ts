/** The regular round in which a pool looks after its connections. It begins with the first connection or caller. */
import { startInterval, type Timer } from '../shared/clock.js';
import type { DatabaseConnection } from './connection.js';
import type { PoolSettings } from './pool-options.js';

/** Milliseconds between two rounds at most. */
const LONGEST_ROUND = 30_000;

/** How often the pool looks after its connections: often enough that no limit is overshot by more than half. */
function housekeepingPeriod<C extends DatabaseConnection>(settings: PoolSettings<C>): number {
  const { idleTimeout, maxLifetime, keepaliveTime, leakDetectionThreshold } = settings;
  const limits = [idleTimeout, maxLifetime, keepaliveTime, leakDetectionThreshold].filter((limit) => limit > 0);
  return Math.max(1, Math.min(LONGEST_ROUND, ...limits.map((limit) => limit / 2)));
}

export class Housekeeping<C extends DatabaseConnection> {
  readonly #settings: PoolSettings<C>;
  readonly #round: (now: number) => void;
  #timer: Timer | undefined;
  #isStopped = false;

  /** @param round one round, at this time */
  constructor(settings: PoolSettings<C>, round: (now: number) => void) {
    this.#settings = settings;
    this.#round = round;
  }

  /** Starts the rounds. Does nothing after the first call, or after `stop`. */
  start(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    const { clock } = this.#settings;
    this.#timer = startInterval(clock, () => this.#round(clock.now()), housekeepingPeriod(this.#settings));
  }

  /** Ends the rounds for good. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }
}
