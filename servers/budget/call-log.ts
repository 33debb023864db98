/** The log of calls to providers. All calls are stored; the most recent ones determine the quality. */
import type { Kysely } from 'kysely';
import type { Answer } from './provider-client.js';
import type { MeasuredCall } from './quality.js';
import { toDollars, type BudgetSchema } from './schema.js';

/** Number of calls per provider that count. Older calls say little about the current quality. */
const RECENT_CALLS = 200;

export class CallLog {
  constructor(
    private readonly db: Kysely<BudgetSchema>,
    private readonly now: () => number,
  ) {}

  async record(provider: string, answer: Answer): Promise<void> {
    await this.db
      .insertInto('provider_calls')
      .values({
        at: this.now(),
        provider,
        outcome: answer.outcome,
        latency_ms: answer.latencyMs,
        cost_micros: answer.costMicros,
        input_tokens: answer.inputTokens,
        output_tokens: answer.outputTokens,
      })
      .execute();
  }

  /** The most recent calls of each provider. */
  async recent(providers: readonly string[]): Promise<MeasuredCall[]> {
    const pages = await Promise.all(
      providers.map((provider) =>
        this.db
          .selectFrom('provider_calls')
          .select(['provider', 'outcome', 'latency_ms', 'cost_micros'])
          .where('provider', '=', provider)
          .orderBy('id', 'desc')
          .limit(RECENT_CALLS)
          .execute(),
      ),
    );
    return pages.flat().map((row) => ({
      provider: row.provider,
      outcome: row.outcome as MeasuredCall['outcome'],
      latencyMs: Number(row.latency_ms),
      costMicros: Number(row.cost_micros),
    }));
  }

  /** Calls, tokens and cost of each provider that was ever called, and the total cost. */
  async costs() {
    const rows = await this.db
      .selectFrom('provider_calls')
      .select(({ fn }) => [
        'provider',
        fn.countAll().as('calls'),
        fn.sum<number | string>('input_tokens').as('inputTokens'),
        fn.sum<number | string>('output_tokens').as('outputTokens'),
        fn.sum<number | string>('cost_micros').as('cost'),
      ])
      .groupBy('provider')
      .orderBy('provider')
      .execute();
    const providers = rows.map((row) => ({
      provider: row.provider,
      calls: Number(row.calls),
      inputTokens: Number(row.inputTokens),
      outputTokens: Number(row.outputTokens),
      cost: toDollars(Number(row.cost)),
    }));
    // The sum of the millionths is exact. A sum of dollars would differ from the ledger.
    return { providers, total: toDollars(rows.reduce((sum, { cost }) => sum + Number(cost), 0)) };
  }
}
