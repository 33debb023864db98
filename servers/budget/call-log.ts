/** What was measured of each provider: every call is kept, the most recent are what quality is judged by. */
import type { Kysely } from 'kysely';
import type { Answer } from './provider-client.js';
import type { MeasuredCall } from './quality.js';
import { toDollars, type BudgetSchema } from './schema.js';

/** Calls of a provider that count: old ones say little about how it is today. */
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

  /** Calls, tokens and cost of each provider ever asked. */
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
    return rows.map((row) => ({
      provider: row.provider,
      calls: Number(row.calls),
      inputTokens: Number(row.inputTokens),
      outputTokens: Number(row.outputTokens),
      cost: toDollars(Number(row.cost)),
    }));
  }
}
