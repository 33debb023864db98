/** The budget service (3003): the cost, quality and spending limits of model providers. */
import { monotonicClock, serviceClient, type RateLimitOptions } from '../src/index.js';
import { budgetRoutes } from './budget/budget-routes.js';
import { policySchema } from './budget/burst-schema.js';
import { BurstStreams } from './budget/burst-streams.js';
import { CallLog } from './budget/call-log.js';
import { Ledger } from './budget/ledger.js';
import { ProviderClient } from './budget/provider-client.js';
import { chatRoutes } from './budget/chat-routes.js';
import { providerRoutes } from './budget/provider-routes.js';
import { rankingOf } from './budget/ranking.js';
import { readProviders } from './budget/providers.js';
import { budgetMigrations, toMicros, type BudgetSchema } from './budget/schema.js';
import { defineServer, runWhenMain } from './support/service.js';
import { settingsStore } from './support/settings-store.js';

export const budgetServer = defineServer<BudgetSchema>({
  name: 'budget',
  migrations: budgetMigrations,
  routes: ({ db, config, env, log, peers, clock, controlToken, openCache, publishInvalidation }) => {
    const cache = openCache({
      memory: { maxSize: 500, ttl: 5_000 },
      disk: { ttl: 60_000 },
      subscriptions: ['provider:*'],
      responses: { 'provider:*': ['/api/v1/providers/*'] },
    });
    const now = (): number => clock.now();
    const limits = {
      dailyMicros: toMicros(config.BUDGET_DAILY_LIMIT),
      monthlyMicros: toMicros(config.BUDGET_MONTHLY_LIMIT),
    };
    const ledger = new Ledger(db, limits, now);
    const clients = readProviders(config.PROVIDERS_FILE, env).map(
      (provider) =>
        // Each completion is billed, so the client neither retries nor deduplicates calls.
        new ProviderClient(
          provider,
          serviceClient(provider.id, { baseURL: provider.baseUrl, retry: false, circuitBreaker: false, dedupe: false }),
          config.PROVIDER_MAX_IN_FLIGHT,
          monotonicClock,
        ),
    );
    const policy = settingsStore(db, 'burst-policy', policySchema);
    const calls = new CallLog(db, now);
    const ranking = rankingOf(clients, calls);
    const onError = (error: unknown): void => log.error({ err: error }, 'the cost of a stream could not be recorded');
    const streams = new BurstStreams({ ledger, calls, clock, onError });
    return {
      routes: [
        budgetRoutes({ db, ledger, controlToken }),
        providerRoutes({
          clients,
          ledger,
          calls,
          ranking,
          policy,
          cache,
          now,
          controlToken,
          outdate: publishInvalidation,
        }),
        chatRoutes({
          ledger,
          calls,
          ranked: ranking.ranked,
          streams,
          policy,
          cache,
          targets: () => peers.router.getHealthyTargets('budget'),
          onError,
        }),
      ],
      close: () => streams.close(),
      limit: {
        rateLimit: config.RATE_LIMIT_CAPACITY,
        refillRate: config.RATE_LIMIT_REFILL_PER_SECOND,
      } satisfies RateLimitOptions,
    };
  },
});

runWhenMain(budgetServer);
