/** A place in the pool: one connection and what the pool remembers of it. */
import type { DatabaseConnection } from './connection.js';
import { PooledConnection, type BorrowOrigin, type Lender } from './pooled-connection.js';

/** 'checking' stands for everything the pool itself does with a connection: validating it, rolling it back. */
export type SlotState = 'idle' | 'lent' | 'checking' | 'closed';

/** Whom a connection returns to. */
export interface SlotOwner<C extends DatabaseConnection> {
  takeBack(slot: PoolSlot<C>): void;
}

export class PoolSlot<C extends DatabaseConnection> implements Lender<C> {
  readonly id: number;
  readonly connection: C;
  /** When its lifetime ends. */
  readonly expiresAt: number;
  state: SlotState = 'checking';
  /** When it was last used. */
  idleSince: number;
  /** When it was last known to work. */
  knownGoodAt: number;
  loan: PooledConnection<C> | undefined;
  readonly #owner: SlotOwner<C>;

  constructor(id: number, connection: C, now: number, lifetime: number, owner: SlotOwner<C>) {
    this.id = id;
    this.connection = connection;
    this.expiresAt = now + lifetime;
    this.idleSince = now;
    this.knownGoodAt = now;
    this.#owner = owner;
  }

  lend(now: number, origin: BorrowOrigin | undefined): PooledConnection<C> {
    this.state = 'lent';
    this.loan = new PooledConnection<C>(this, this.id, this.connection, now, origin);
    return this.loan;
  }

  /** Ends the loan; returning a loan that has ended does nothing. */
  giveBack(borrowed: PooledConnection<C>): void {
    if (borrowed.revoke() === undefined) return;
    this.loan = undefined;
    this.#owner.takeBack(this);
  }
}
