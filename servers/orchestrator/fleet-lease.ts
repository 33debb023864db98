/**
 * A lease that allows one orchestrator per machine to run the fleet. The lease is in the database, either in the data
 * directory or on a server, and its holder renews it. An orchestrator that lost the lease must stop acting, because
 * another one runs the fleet.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Kysely } from 'kysely';
import { startTimer, type Clock, type Timer } from '../../src/index.js';
import { leaseOn, type LeaseSchema } from '../support/lease.js';

/** Milliseconds until a lease expires if it is not renewed, and milliseconds between two renewals. */
const DURATION = 15_000;
const RENEWAL = 4_000;
/** Milliseconds between two attempts to take the lease of a holder that does not answer. */
const RETRY = 500;

/** The exit code of an orchestrator if another one runs its fleet (EX_USAGE of sysexits.h). */
export const EXIT_HELD = 64;

interface Holder {
  readonly id: string;
  readonly pid: number;
  readonly url: string;
  /** The boot and PID namespace in which `pid` is valid. */
  readonly place: string;
}

/** Another running orchestrator holds this fleet. */
export class FleetHeldError extends Error {
  override readonly name = 'FleetHeldError';
}

export interface FleetLease {
  /**
   * Takes the lease. If the holder was killed, it waits for the lease to expire. If the holder's process is known to be
   * dead, it takes the lease at once.
   *
   * @throws FleetHeldError if a running orchestrator holds the lease
   */
  acquire(): Promise<void>;
  /**
   * Whether this process holds the lease, according to the database. Call it in the transaction that the lease guards.
   */
  isHeldIn(db: Kysely<LeaseSchema>): Promise<boolean>;
  /**
   * Whether this process may act on the instances. A process that was paused may have lost the lease without notice, so
   * this asks the database if the last renewal is too long ago.
   */
  mayAct(): Promise<boolean>;
  release(): Promise<void>;
}

export interface FleetLeaseOptions {
  readonly db: Kysely<LeaseSchema>;
  readonly clock: Clock;
  /** URL of the future control room of this fleet, for the error message of another orchestrator. */
  readonly url: string;
  /** Called once, if another orchestrator has taken the lease. */
  readonly onLost: (holder: string) => void;
}

export function fleetLease({ db, clock, url, onLost }: FleetLeaseOptions): FleetLease {
  const name = `fleet of ${hostname()}`;
  const self: Holder = { id: randomUUID(), pid: process.pid, url, place: placeOfPids() };
  const holder = JSON.stringify(self);
  const lease = leaseOn(db, name, holder, DURATION);
  let timer: Timer | undefined;
  let renewal: Promise<void> | undefined;
  /** No other process can take the lease before this time. */
  let heldUntil = -Infinity;
  let isOver = false;

  function renewLater(): void {
    timer?.cancel();
    timer = startTimer(clock, () => void renew(), RENEWAL);
  }
  async function hold(): Promise<boolean> {
    const now = clock.now();
    const isHeld = await lease.hold(now);
    if (isHeld) heldUntil = now + DURATION;
    return isHeld;
  }
  function renew(): Promise<void> {
    renewal ??= renewOnce().finally(() => (renewal = undefined));
    return renewal;
  }
  async function renewOnce(): Promise<void> {
    // While the database is unavailable, no other process can take the lease either. The next renewal decides.
    const isHeld = await hold().catch(() => true);
    if (isOver) return;
    if (isHeld) return renewLater();
    isOver = true;
    const other = await lease.holder(clock.now()).catch(() => undefined);
    onLost(describe(other?.holder));
  }

  return {
    async acquire() {
      for (;;) {
        if (await hold()) return renewLater();
        const other = await lease.holder(clock.now());
        if (other === undefined) continue;
        if (isCertainlyGone(other.holder)) {
          await leaseOn(db, name, other.holder, DURATION).release(); // releases it only if the dead holder still has it
          continue;
        }
        if (await answers(other.holder)) {
          throw new FleetHeldError(
            `another orchestrator runs this fleet: ${describe(other.holder)}. Stop it first, or set DATA_DIR (and ` +
              'DATABASE_URL) to a place of its own for a second fleet',
          );
        }
        await new Promise<void>((resolve) => startTimer(clock, resolve, RETRY));
      }
    },
    async isHeldIn(tx) {
      const row = await tx.selectFrom('leases').select('holder').where('name', '=', name).executeTakeFirst();
      return row?.holder === holder;
    },
    async mayAct() {
      if (!isOver && clock.now() >= heldUntil) await renew();
      return !isOver;
    },
    async release() {
      isOver = true;
      timer?.cancel();
      await lease.release();
    },
  };
}

function read(holder: string | undefined): Holder | undefined {
  try {
    return JSON.parse(holder ?? '') as Holder;
  } catch {
    return undefined;
  }
}

function describe(holder: string | undefined): string {
  const known = read(holder);
  return known === undefined ? 'an unknown one' : `process ${known.pid}, ${known.url}`;
}

/**
 * Whether the holder is a dead process of the same boot and namespace. In another namespace, its PID has no meaning.
 */
function isCertainlyGone(holder: string): boolean {
  const known = read(holder);
  return known !== undefined && known.place === placeOfPids() && !isRunning(known.pid);
}

/** A holder that does not answer may be dead or paused. The expiry of its lease decides. */
async function answers(holder: string): Promise<boolean> {
  const known = read(holder);
  if (known === undefined) return false;
  if (known.place === placeOfPids() && isRunning(known.pid)) return true;
  return fetch(`${known.url}/livez`, { signal: AbortSignal.timeout(1000) }).then(
    () => true,
    () => false,
  );
}

/** Whether a process with that PID runs. A zombie process does not count as running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return true;
  }
}

function placeOfPids(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname(); // without /proc there are no PID namespaces either
  }
}
