/**
 * Decides in this process while the shared store does not answer, so that all processes together still keep the limit.
 *
 * Of each bucket two numbers are kept. `known` is the debt that the store reported last, which refills at the whole
 * rate. `owed` is what this process has admitted since without the store. The process may spend its part of what `known`
 * left (see store-outage.ts). What it owes is charged to the store as soon as that answers, so nothing is paid out twice.
 *
 * Why this bounds the excess: add to the debt in the store, for every process, what it owes or may still admit without
 * the store. A decision of the store admits only below the limit. A local one moves a part of this sum, a settlement moves
 * it to the store, and a refill lowers the store's debt by at least as much as it raises the parts. So the sum never
 * exceeds the limit and the parts of all processes but one, because the one that asked the store last knows its debt. A
 * call whose outcome is unknown counts on both sides.
 */
import type { Clock } from '../shared/clock.js';
import type { Quota } from './quota.js';
import { charge, type Charge } from './store.js';
import { OPEN_FOR, type LocalPart } from './store-outage.js';

interface Account {
  quota: Quota;
  /** Debt of the whole bucket in tokens, as the store last reported it. */
  known: number;
  /** Tokens admitted here that have not been charged to the store. */
  owed: number;
  /** Tokens that are being charged to the store now. */
  inFlight: number;
  /** When the numbers were true, in the clock's milliseconds. */
  time: number;
  /** The number of the newest answer that set `known`. */
  answer: number;
}

const MAX_ACCOUNTS = 100_000;
/** Rounding of a few additions must not refuse a token that is there. */
const TOLERANCE = 1e-9;

export class LocalShares {
  readonly #clock: Clock;
  readonly #part: LocalPart;
  readonly #policies = new Map<string, Map<string, Account>>();
  readonly #owing = new Map<Account, string>();
  #size = 0;
  #answers = 0;

  /** @param part what this process may apply of each limit now */
  constructor(clock: Clock, part: LocalPart) {
    this.#clock = clock;
    this.#part = part;
  }

  /** Whether this process owes the store anything. */
  get owesAny(): boolean {
    return this.#owing.size > 0;
  }

  /** Admits from this process' part of every bucket, or refuses. Fills `remaining` and `retryAfter`. */
  decide(charges: readonly Charge[]): boolean {
    let allowed = true;
    for (const one of charges) if (!this.#canPay(one)) allowed = false; // no early end: each is brought up to now
    for (const one of charges) {
      if (allowed && one.cost > 0) this.#owe(one);
      this.#describe(one, allowed);
    }
    return allowed;
  }

  /** A question is put to the store. Returns what `learn` needs of it. */
  ask(): number {
    return this.#answers;
  }

  /**
   * The store has decided: `remaining` is what it says is left. Where questions overlapped, the order in which the store
   * decided is unknown, and the larger debt counts.
   *
   * @param asked what `ask` returned
   */
  learn(charges: readonly Charge[], asked: number): void {
    for (const one of charges) {
      const debt = one.quota.rateLimit - one.remaining;
      const found = this.#find(one.quota, one.key);
      if (found === undefined && debt <= 0) continue;
      const account = found ?? this.#open(one);
      this.#refill(account, one.quota);
      account.known = account.answer > asked ? Math.max(account.known, debt) : debt;
      account.answer = ++this.#answers;
    }
  }

  /** The debts of these buckets, as charges to be paid. Each must be settled with `settle`. Undefined if nothing is owed. */
  owedFor(charges: readonly Charge[]): Charge[] | undefined {
    if (this.#owing.size === 0) return undefined;
    let due: Charge[] | undefined;
    for (const { key, quota } of charges) {
      const account = this.#find(quota, key);
      if (account !== undefined && account.owed > 0) (due ??= []).push(this.#pay(account, key));
    }
    return due;
  }

  /** As `owedFor`, for any buckets, at most `most`. */
  owedByAny(most: number): Charge[] {
    const due: Charge[] = [];
    for (const [account, key] of this.#owing) {
      if (due.length >= most) break;
      this.#refill(account, account.quota);
      if (account.owed > 0) due.push(this.#pay(account, key));
      else this.#owing.delete(account);
    }
    return due;
  }

  /** The store was charged `paid` tokens of a charge of `owedFor`. The rest is still owed. */
  settle({ key, quota, cost }: Charge, paid: number): void {
    const account = this.#find(quota, key);
    if (account === undefined) return;
    account.inFlight = Math.max(0, account.inFlight - cost);
    if (paid >= cost) return;
    account.owed += cost - paid;
    this.#owing.set(account, key);
  }

  /** Forgets a bucket: it was reset or set. */
  forget(key: string, quota: Quota): void {
    const account = this.#find(quota, key);
    if (account === undefined) return;
    this.#policies.get(quota.name)!.delete(key);
    this.#owing.delete(account);
    this.#size--;
  }

  /** Forgets all buckets of a policy, or of all. */
  clear(policy?: string): void {
    for (const [name, accounts] of this.#policies) {
      if (policy !== undefined && name !== policy) continue;
      for (const account of accounts.values()) this.#owing.delete(account);
      this.#size -= accounts.size;
      this.#policies.delete(name);
    }
  }

  #find(quota: Quota, key: string): Account | undefined {
    return this.#policies.get(quota.name)?.get(key);
  }

  #open({ key, quota }: Charge): Account {
    if (this.#size >= MAX_ACCOUNTS) this.#dropOldest();
    let accounts = this.#policies.get(quota.name);
    if (accounts === undefined) {
      accounts = new Map<string, Account>();
      this.#policies.set(quota.name, accounts);
    }
    const account: Account = { quota, known: 0, owed: 0, inFlight: 0, time: this.#clock.now(), answer: 0 };
    accounts.set(key, account);
    this.#size++;
    return account;
  }

  /** Accounts refill by themselves, so the oldest is dropped. */
  #dropOldest(): void {
    for (const accounts of this.#policies.values()) {
      for (const [key, account] of accounts) return this.forget(key, account.quota);
    }
  }

  /** The whole bucket refills first, which is in the store too; only what is beyond that reduces what is owed. */
  #refill(account: Account, quota: Quota): void {
    const now = this.#clock.now();
    const returned = (Math.max(0, now - account.time) / 1000) * account.quota.refillRate;
    account.time = now;
    account.quota = quota;
    if (returned === 0) return;
    const beyond = returned - account.known;
    account.known = Math.max(0, -beyond);
    if (beyond > 0 && account.owed > 0) account.owed = Math.max(0, account.owed - beyond * this.#part.returning);
  }

  /** A cost above the part is admitted where nothing is spent. */
  #canPay({ key, quota, cost }: Charge): boolean {
    const account = this.#find(quota, key);
    if (account !== undefined) this.#refill(account, quota);
    if (cost === 0) return true;
    if (cost > quota.rateLimit) return false;
    if (account === undefined) return true;
    if (account.known + ownOf(account) <= TOLERANCE) return true;
    return cost <= this.#leftOf(account, quota) + TOLERANCE;
  }

  /** Tokens of this process' part that are left; negative where the part has become smaller since. */
  #leftOf(account: Account, quota: Quota, share = this.#part.shareOf(quota.rateLimit)): number {
    return Math.max(0, quota.rateLimit - account.known) * share - ownOf(account);
  }

  #owe(one: Charge): void {
    const account = this.#find(one.quota, one.key) ?? this.#open(one);
    account.owed += one.cost;
    this.#owing.set(account, one.key);
  }

  #describe(one: Charge, allowed: boolean): void {
    const { quota } = one;
    const account = this.#find(quota, one.key);
    const whole = quota.rateLimit * this.#part.shareOf(quota.rateLimit);
    const left = account === undefined ? whole : this.#leftOf(account, quota);
    one.remaining = Math.max(0, left);
    one.retryAfter = allowed || this.#canPay(one) ? 0 : this.#waitOf(one, account);
  }

  /** Milliseconds until the whole share can pay: by then, the store answers or is known to be away. */
  #waitOf({ quota, cost }: Charge, account: Account | undefined): number {
    if (cost > quota.rateLimit || account === undefined) return Infinity;
    const share = this.#part.wholeShare;
    const short = cost - this.#leftOf(account, quota, share);
    const untilUnused = account.known + ownOf(account) / share;
    const missing = Math.min(short / share, untilUnused);
    return Math.max(OPEN_FOR, missing <= 0 ? 0 : (missing / quota.refillRate) * 1000);
  }

  #pay(account: Account, key: string): Charge {
    const due = charge(key, account.quota, account.owed);
    account.inFlight += account.owed;
    account.owed = 0;
    this.#owing.delete(account);
    return due;
  }
}

/** Tokens admitted here that the store does not know of, or may not. */
function ownOf({ owed, inFlight }: Account): number {
  return owed + inFlight;
}
