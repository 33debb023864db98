/**
 * The ledger: amounts spent and reserved, and the check of the limits. Each reservation is checked and written in one
 * transaction that locks one row. Therefore concurrent requests cannot exceed a limit together.
 */
import { randomUUID } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { pageOf } from '../support/paging.js';
import { toDollars, type BudgetSchema } from './schema.js';

/** The cohort of entries that do not name one. */
export const DEFAULT_COHORT = 'default';

/** A reservation expires after this time in ms if its process died. It is longer than any provider call. */
const RESERVATION_LIFETIME = 5 * 60_000;

/** Share of a limit from which the budget warns. */
const WARNING_SHARE = 0.8;

export interface Limits {
  readonly dailyMicros: number;
  readonly monthlyMicros: number;
}

export interface Period {
  /** UTC date and month, and the start of the next ones (epoch ms). */
  readonly day: string;
  readonly month: string;
  readonly dayEnds: number;
  readonly monthEnds: number;
}

export interface Spend {
  readonly cohort: string;
  readonly workflow: string;
  readonly costMicros: number;
  readonly valueMicros?: number | undefined;
}

/** An amount that was reserved before it is spent. */
export interface Reservation {
  readonly id: string;
  readonly cohort: string;
  readonly costMicros: number;
}

interface Usage {
  readonly daily: number;
  readonly monthly: number;
}

interface LimitCheck {
  readonly name: string;
  readonly limit: number;
  readonly used: number;
  readonly ends: number;
}

/** The UTC day and month of a time. */
export function periodOf(now: number): Period {
  const date = new Date(now);
  const day = date.toISOString().slice(0, 10);
  return {
    day,
    month: day.slice(0, 7),
    dayEnds: Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1),
    monthEnds: Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1),
  };
}

export class Ledger {
  constructor(
    private readonly db: Kysely<BudgetSchema>,
    private readonly limits: Limits,
    private readonly now: () => number,
  ) {}

  /**
   * Reserves an amount before it is spent.
   *
   * @returns the reservation, to be settled
   * @throws ResilienceError QUOTA_EXCEEDED naming the limit that would be exceeded
   */
  async reserve(cohort: string, costMicros: number): Promise<Reservation> {
    const id = randomUUID();
    await this.#locked(async (tx) => {
      await this.#admit(tx, cohort, costMicros);
      const expires_at = this.now() + RESERVATION_LIFETIME;
      await tx.insertInto('reservations').values({ id, cohort, cost_micros: costMicros, expires_at }).execute();
    });
    return { id, cohort, costMicros };
  }

  /**
   * Books what has been spent so far of a reservation, and keeps the rest reserved. If the process dies, the booked
   * amount remains. Each booking extends the lifetime of the reservation.
   *
   * @param previous the previous booking of this reservation, which this one replaces
   * @returns the booking, for the next one and for the settlement
   */
  async book(reservation: Reservation, spend: Spend, previous?: number): Promise<number> {
    return this.#locked(async (tx) => {
      await this.#remove(tx, previous);
      const rest = Math.max(0, reservation.costMicros - spend.costMicros);
      await tx
        .updateTable('reservations')
        .set({ cost_micros: rest, expires_at: this.now() + RESERVATION_LIFETIME })
        .where('id', '=', reservation.id)
        .execute();
      return this.#insert(tx, spend);
    });
  }

  /**
   * Replaces a reservation, and its last booking, by the actual spending, which may be less, zero or more. A higher
   * amount counts against the limits.
   */
  async settle({ id }: Reservation, spends: readonly Spend[], booking?: number): Promise<void> {
    await this.#locked(async (tx) => {
      await tx.deleteFrom('reservations').where('id', '=', id).execute();
      await this.#remove(tx, booking);
      for (const spend of spends) await this.#insert(tx, spend);
    });
  }

  /**
   * Records an amount if the limits allow it.
   *
   * @throws ResilienceError QUOTA_EXCEEDED naming the limit that would be exceeded; nothing is recorded then
   */
  async record(spend: Spend): Promise<void> {
    await this.#locked(async (tx) => {
      await this.#admit(tx, spend.cohort, spend.costMicros);
      await this.#insert(tx, spend);
    });
  }

  /** Whether the limits allow an amount now. It reserves nothing. */
  async canAfford(cohort: string, costMicros: number): Promise<{ affordable: boolean; reason?: string }> {
    const check = (await this.#checks(this.db, cohort)).find(({ used, limit }) => used + costMicros > limit);
    return check === undefined
      ? { affordable: true }
      : { affordable: false, reason: describeRefusal(check, costMicros) };
  }

  /** Amounts spent, reserved and remaining for each limit of the cohort. */
  async status(cohort = DEFAULT_COHORT) {
    const limits = (await this.#checks(this.db, cohort)).map(({ name, limit, used, ends }) => ({
      limit: name,
      amount: toDollars(limit),
      used: toDollars(used),
      remaining: toDollars(Math.max(0, limit - used)),
      share: limit === 0 ? 1 : used / limit,
      warning: used >= limit * WARNING_SHARE,
      resetsAt: new Date(ends).toISOString(),
    }));
    return { cohort, warning: limits.some(({ warning }) => warning), limits };
  }

  /** A page of the spending, newest first. */
  async history(filter: { cohort?: string | undefined; before?: number | undefined; limit: number }) {
    let query = this.db
      .selectFrom('spends')
      .selectAll()
      .orderBy('id', 'desc')
      .limit(filter.limit + 1);
    if (filter.cohort !== undefined) query = query.where('cohort', '=', filter.cohort);
    if (filter.before !== undefined) query = query.where('id', '<', filter.before);
    const spends = (await query.execute()).map((row) => ({
      id: Number(row.id),
      at: new Date(Number(row.at)).toISOString(),
      cohort: row.cohort,
      workflow: row.workflow,
      cost: toDollars(Number(row.cost_micros)),
      value: row.value_micros === null ? null : toDollars(Number(row.value_micros)),
    }));
    return pageOf(spends, filter.limit, ({ id }) => id);
  }

  /** The cohort's own limits; null if it has none. */
  async cohortPolicy(cohort: string) {
    const row = await this.db.selectFrom('cohort_policies').selectAll().where('cohort', '=', cohort).executeTakeFirst();
    const dollars = (micros: number | null | undefined): number | null =>
      micros == null ? null : toDollars(Number(micros));
    return {
      cohort,
      dailyLimit: dollars(row?.daily_limit_micros),
      monthlyLimit: dollars(row?.monthly_limit_micros),
    };
  }

  /** Sets the cohort's own limits; null removes a limit. */
  async setCohortPolicy(cohort: string, daily: number | null, monthly: number | null): Promise<void> {
    const values = { daily_limit_micros: daily, monthly_limit_micros: monthly, updated_at: this.now() };
    await this.db
      .insertInto('cohort_policies')
      .values({ cohort, ...values })
      .onConflict((conflict) => conflict.column('cohort').doUpdateSet(values))
      .execute();
  }

  #locked<T>(work: (tx: Transaction<BudgetSchema>) => Promise<T>): Promise<T> {
    return this.db.transaction().execute(async (tx) => {
      const row = { id: 1, taken_at: this.now() };
      // Made if it is missing, as after a partial restore: an update of no row would lock nothing, and limits would not hold.
      await tx
        .insertInto('ledger_lock')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
        .execute();
      return work(tx);
    });
  }

  async #admit(tx: Transaction<BudgetSchema>, cohort: string, costMicros: number): Promise<void> {
    await tx.deleteFrom('reservations').where('expires_at', '<', this.now()).execute();
    const check = (await this.#checks(tx, cohort)).find(({ used, limit }) => used + costMicros > limit);
    if (check === undefined) return;
    throw new ResilienceError('QUOTA_EXCEEDED', describeRefusal(check, costMicros), {
      retryAfter: (check.ends - this.now()) / 1000,
      extensions: { 'violated-policies': [check.name] },
    });
  }

  async #remove(tx: Transaction<BudgetSchema>, spend: number | undefined): Promise<void> {
    if (spend !== undefined) await tx.deleteFrom('spends').where('id', '=', spend).execute();
  }

  async #insert(tx: Transaction<BudgetSchema>, spend: Spend): Promise<number> {
    const at = this.now();
    const { day, month } = periodOf(at);
    const { cohort, workflow, costMicros, valueMicros } = spend;
    const row = await tx
      .insertInto('spends')
      .values({ at, day, month, cohort, workflow, cost_micros: costMicros, value_micros: valueMicros ?? null })
      .returning('id')
      .executeTakeFirstOrThrow();
    return Number(row.id);
  }

  /** All limits that apply to the cohort, with the amounts used. */
  async #checks(db: Kysely<BudgetSchema>, cohort: string): Promise<LimitCheck[]> {
    const period = periodOf(this.now());
    const [all, own, policy] = [
      await this.#usage(db, period, undefined),
      await this.#usage(db, period, cohort),
      await db.selectFrom('cohort_policies').selectAll().where('cohort', '=', cohort).executeTakeFirst(),
    ];
    const checks: LimitCheck[] = [
      { name: 'daily', limit: this.limits.dailyMicros, used: all.daily, ends: period.dayEnds },
      { name: 'monthly', limit: this.limits.monthlyMicros, used: all.monthly, ends: period.monthEnds },
    ];
    const daily = policy?.daily_limit_micros;
    const monthly = policy?.monthly_limit_micros;
    if (daily != null)
      checks.push({ name: 'cohort-daily', limit: Number(daily), used: own.daily, ends: period.dayEnds });
    if (monthly != null) {
      checks.push({ name: 'cohort-monthly', limit: Number(monthly), used: own.monthly, ends: period.monthEnds });
    }
    return checks;
  }

  async #usage(db: Kysely<BudgetSchema>, period: Period, cohort: string | undefined): Promise<Usage> {
    let spent = db
      .selectFrom('spends')
      .select(({ fn, eb }) => [
        fn.sum<number | string | null>('cost_micros').as('monthly'),
        fn
          .sum<number | string | null>(eb.case().when('day', '=', period.day).then(eb.ref('cost_micros')).else(0).end())
          .as('daily'),
      ])
      .where('month', '=', period.month);
    let promised = db
      .selectFrom('reservations')
      .select(({ fn }) => fn.sum<number | string | null>('cost_micros').as('micros'))
      .where('expires_at', '>=', this.now());
    if (cohort !== undefined) {
      spent = spent.where('cohort', '=', cohort);
      promised = promised.where('cohort', '=', cohort);
    }
    const sums = await spent.executeTakeFirst();
    const reserved = Number((await promised.executeTakeFirst())?.micros ?? 0);
    return { daily: Number(sums?.daily ?? 0) + reserved, monthly: Number(sums?.monthly ?? 0) + reserved };
  }
}

function describeRefusal({ name, limit, used }: LimitCheck, costMicros: number): string {
  const left = toDollars(Math.max(0, limit - used));
  return `the ${name} budget of $${toDollars(limit)} has $${left} left, this costs $${toDollars(costMicros)}`;
}
