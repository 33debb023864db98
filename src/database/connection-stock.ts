/** The connections a pool has: which are idle, lent or being looked at, and keeping all of them fit. */
import { startTimer } from '../shared/clock.js';
import { closeFully } from './close-fully.js';
import type { DatabaseConnection } from './connection.js';
import { reportLeak } from './leak-watch.js';
import type { PoolHealth } from './pool-calls.js';
import type { PoolSettings } from './pool-options.js';
import { PoolSlot, type SlotOwner } from './pool-slot.js';
import type { PoolCounters } from './pool-statistics.js';
import type { BorrowOrigin, PooledConnection } from './pooled-connection.js';
import { settleWithin } from './settle-within.js';

const LIFETIME_JITTER = 0.25;

/** Milliseconds for which a validation holds at least: long enough to hand the connection to the caller it was for. */
const JUST_VALIDATED = 1;

/** Milliseconds a statement may outlive its borrower before it is cancelled: enough for one that was merely not awaited. */
const CANCEL_AFTER = 1_000;

/** Whether a connection reports that it is open. One that throws here must not be lent. */
function isOpen(connection: DatabaseConnection): boolean {
  try {
    return connection.isOpen;
  } catch {
    return false;
  }
}

/** Whether something must be undone. If the property throws, `reset` decides. */
function isDirty(connection: DatabaseConnection): boolean {
  try {
    return connection.isDirty;
  } catch {
    return true;
  }
}

export class ConnectionStock<C extends DatabaseConnection> implements SlotOwner<C> {
  readonly #settings: PoolSettings<C>;
  readonly #counters: PoolCounters;
  /** Called when a connection has become idle, or room for a new one. */
  readonly #onChange: (now: number) => void;
  readonly #slots = new Set<PoolSlot<C>>();
  /** Idle connections, the most recently used last: lending that one lets the others grow old and be trimmed. */
  #idle: PoolSlot<C>[] = [];
  #lastId = 0;
  #lent = 0;
  #checking = 0;
  #closing = 0;

  constructor(settings: PoolSettings<C>, counters: PoolCounters, onChange: (now: number) => void) {
    this.#settings = settings;
    this.#counters = counters;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#slots.size;
  }

  get idle(): number {
    return this.#idle.length;
  }

  get lent(): number {
    return this.#lent;
  }

  /** Connections being validated or rolled back: each is about to be idle again, or gone. */
  get checking(): number {
    return this.#checking;
  }

  /** Connections that exist at the database: those being closed count until they are. */
  get occupied(): number {
    return this.#slots.size + this.#closing;
  }

  get connections(): C[] {
    return Array.from(this.#slots, (slot) => slot.connection);
  }

  get loans(): Set<PooledConnection<C>> {
    const loans = new Set<PooledConnection<C>>();
    for (const { loan } of this.#slots) if (loan !== undefined) loans.add(loan);
    return loans;
  }

  /** Takes in a new connection. */
  add(connection: C): void {
    const { clock, maxLifetime } = this.#settings;
    const lifetime = maxLifetime * (1 - LIFETIME_JITTER + 2 * LIFETIME_JITTER * Math.random());
    const now = clock.now();
    const slot = new PoolSlot(++this.#lastId, connection, now, lifetime, this);
    this.#slots.add(slot);
    this.#counters.created++;
    this.#makeIdle(slot, now);
  }

  /** Lends the idle connection used last; undefined when none can be lent without being validated first. */
  lend(now: number, origin: BorrowOrigin | undefined): PooledConnection<C> | undefined {
    const slot = this.#takeReady(now);
    if (slot === undefined) return undefined;
    this.#lent++;
    this.#counters.acquired++;
    return slot.lend(now, origin);
  }

  #takeReady(now: number): PoolSlot<C> | undefined {
    for (let slot = this.#idle.pop(); slot !== undefined; slot = this.#idle.pop()) {
      if (!isOpen(slot.connection) || slot.expiresAt <= now) this.#retire(slot);
      else if (now - slot.knownGoodAt <= Math.max(this.#settings.validateAfterIdle, JUST_VALIDATED)) return slot;
      else return void this.#idle.push(slot); // those below have been idle for longer still
    }
    return undefined;
  }

  /** Starts validating one idle connection; false if no connection is idle. */
  validateOne(): boolean {
    const slot = this.#idle.pop();
    if (slot !== undefined) void this.#validate(slot);
    return slot !== undefined;
  }

  /**
   * Pings the database on every idle connection; connections that fail are closed. Borrowed ones count as healthy while
   * they are open.
   */
  async checkHealth(): Promise<PoolHealth> {
    const { connections } = this;
    const dead = connections.filter((connection) => !connection.isOpen).length;
    const areFit = await Promise.all(this.#idle.splice(0).map((slot) => this.#validate(slot)));
    const failed = areFit.filter((isFit) => !isFit).length;
    const total = connections.length;
    const unhealthy = Math.max(dead, failed);
    return { healthy: total - unhealthy, unhealthy, total };
  }

  /** Closes what is idle. */
  closeIdle(): void {
    for (const slot of this.#idle.splice(0)) this.#retire(slot);
  }

  /** Closes everything, also under its borrower. */
  closeAll(): void {
    this.#idle = [];
    for (const slot of this.#slots) {
      if (slot.loan !== undefined) this.#lent--;
      slot.loan?.revoke();
      slot.loan = undefined;
      this.#retire(slot);
    }
  }

  /** Retires what is too old, trims what has been idle for too long, pings what has been quiet, reports leaks. */
  keepHouse(now: number): void {
    const { idleTimeout, minConnections, keepaliveTime, leakDetectionThreshold, name, onLeak } = this.#settings;
    let surplus = this.#slots.size - minConnections;
    for (const slot of this.#idle.splice(0)) {
      const isWorn = !isOpen(slot.connection) || slot.expiresAt <= now;
      const isSurplus = surplus > 0 && now - slot.idleSince >= idleTimeout;
      if (isWorn || isSurplus) {
        surplus--;
        this.#retire(slot);
      } else if (keepaliveTime > 0 && now - slot.knownGoodAt >= keepaliveTime) {
        void this.#validate(slot);
      } else {
        this.#idle.push(slot);
      }
    }
    if (leakDetectionThreshold === 0) return;
    for (const { loan } of this.#slots) {
      if (loan === undefined || loan.isReported || now - loan.since < leakDetectionThreshold) continue;
      this.#counters.leaks++;
      reportLeak(name, loan, now, onLeak);
    }
  }

  /** Takes back what was lent. */
  takeBack(slot: PoolSlot<C>): void {
    this.#lent--;
    const now = this.#settings.clock.now();
    slot.idleSince = now;
    if (!isOpen(slot.connection) || slot.expiresAt <= now) {
      this.#retire(slot);
      this.#onChange(now);
    } else if (isDirty(slot.connection)) {
      this.#counters.dirtyReturns++;
      void this.#examine(slot, () => this.#reset(slot));
    } else {
      slot.knownGoodAt = now;
      this.#makeIdle(slot, now);
    }
  }

  async #reset({ connection }: PoolSlot<C>): Promise<boolean> {
    const { clock, validationTimeout } = this.#settings;
    const cancel = (): void => void Promise.resolve(connection.cancel?.()).catch(() => undefined);
    const timer = startTimer(clock, cancel, Math.min(CANCEL_AFTER, validationTimeout / 2));
    try {
      await connection.reset();
    } finally {
      timer.cancel();
    }
    return connection.isOpen && !connection.isDirty;
  }

  async #validate(slot: PoolSlot<C>): Promise<boolean> {
    const isFit = await this.#examine(slot, () => this.#settings.validate(slot.connection));
    if (!isFit) this.#counters.validationFailures++;
    return isFit;
  }

  /**
   * Runs `work` on a connection that no other code may use meanwhile. The connection is closed if that fails or hangs.
   */
  async #examine(slot: PoolSlot<C>, work: () => boolean | Promise<boolean>): Promise<boolean> {
    const { clock, validationTimeout } = this.#settings;
    slot.state = 'checking';
    this.#checking++;
    const isFit = await settleWithin(work, { clock, timeout: validationTimeout }).catch(() => false);
    this.#checking--;
    if (!this.#slots.has(slot)) return isFit; // everything was closed in the meantime
    const now = clock.now();
    slot.knownGoodAt = now;
    if (isFit) {
      this.#makeIdle(slot, now);
    } else {
      this.#retire(slot);
      this.#onChange(now);
    }
    return isFit;
  }

  #makeIdle(slot: PoolSlot<C>, now: number): void {
    slot.state = 'idle';
    this.#idle.push(slot);
    this.#onChange(now);
  }

  /** Takes a connection out and closes it. It keeps occupying its place until its session has really ended. */
  #retire(slot: PoolSlot<C>): void {
    slot.state = 'closed';
    this.#slots.delete(slot);
    this.#counters.closed++;
    this.#closing++;
    void closeFully(slot.connection, this.#settings).then(() => {
      this.#closing--;
      this.#onChange(this.#settings.clock.now());
    });
  }
}
