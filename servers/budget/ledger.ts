/**
 * The ledger: what was spent, what is promised, and whether more may be. Every promise is checked and written in one
 * transaction behind one lock row, so that requests at the same moment cannot together pass a limit.
 */
import { randomUUID } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import { ResilienceError } from '../../src/index.js';
import { pageOf } from '../support/paging.js';
import { toDollars, type BudgetSchema } from './schema.js';

/** Cohort of everything that names none. */
export const DEFAULT_COHORT = 'default';

/** A reservation nobody settles (its process died) is void after this many ms: longer than any provider call may take. */
const RESERVATION_LIFETIME = 5 * 60_000;

/** Share of a limit from which the budget warns. */
const WARNING_SHARE = 0.8;

export interface Limits {
  readonly dailyMicros: number;
  readonly monthlyMicros: number;
}

export interface Period {
  /** UTC date and month, and when the next ones begin (epoch ms). */
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

/** The UTC day and month a moment lies in. */
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
   * Promises an amount before it is spent.
   *
   * @returns the reservation's id, to be settled or released
   * @throws ResilienceError QUOTA_EXCEEDED naming the limit it would pass
   */
  async reserve(cohort: string, costMicros: number): Promise<string> {
    const id = randomUUID();
    await this.#locked(async (tx) => {
      await this.#admit(tx, cohort, costMicros);
      const expires_at = this.now() + RESERVATION_LIFETIME;
      await tx.insertInto('reservations').values({ id, cohort, cost_micros: costMicros, expires_at }).execute();
    });
    return id;
  }

  /** Turns a reservation into what was really spent, which may be less, or nothing. */
  async settle(reservation: string, spends: readonly Spend[]): Promise<void> {
    await this.#locked(async (tx) => {
      await tx.deleteFrom('reservations').where('id', '=', reservation).execute();
      for (const spend of spends) await this.#insert(tx, spend);
    });
  }

  /**
   * Records an amount, if the limits allow it.
   *
   * @throws ResilienceError QUOTA_EXCEEDED naming the limit it would pass; nothing is recorded then
   */
  async record(spend: Spend): Promise<void> {
    await this.#locked(async (tx) => {
      await this.#admit(tx, spend.cohort, spend.costMicros);
      await this.#insert(tx, spend);
    });
  }

  /** Whether an amount would be admitted now. Promises nothing. */
  async canAfford(cohort: string, costMicros: number): Promise<{ affordable: boolean; reason?: string }> {
    const check = (await this.#checks(this.db, cohort)).find(({ used, limit }) => used + costMicros > limit);
    return check === undefined
      ? { affordable: true }
      : { affordable: false, reason: describeRefusal(check, costMicros) };
  }

  /** Spent, promised and left for each limit that applies to the cohort. */
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

  /** A page of what was spent, newest first. */
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

  /** The limits of a cohort's own; null where it has none. */
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

  /** Sets the limits of a cohort's own; null removes one. */
  async setCohortPolicy(cohort: string, daily: number | null, monthly: number | null): Promise<void> {
    const values = { daily_limit_micros: daily, monthly_limit_micros: monthly, updated_at: this.now() };
    await this.db
      .insertInto('cohort_policies')
      .values({ cohort, ...values })
      .onConflict((conflict) => conflict.column('cohort').doUpdateSet(values))
      .execute();
  }

  #locked(work: (tx: Transaction<BudgetSchema>) => Promise<void>): Promise<void> {
    return this.db.transaction().execute(async (tx) => {
      await tx.updateTable('ledger_lock').set({ taken_at: this.now() }).where('id', '=', 1).execute();
      await work(tx);
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

  async #insert(tx: Transaction<BudgetSchema>, spend: Spend): Promise<void> {
    const at = this.now();
    const { day, month } = periodOf(at);
    const { cohort, workflow, costMicros, valueMicros } = spend;
    await tx
      .insertInto('spends')
      .values({ at, day, month, cohort, workflow, cost_micros: costMicros, value_micros: valueMicros ?? null })
      .execute();
  }

  /** Every limit that applies to the cohort, with what is used of it. */
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
