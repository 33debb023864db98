/** The budget service (3003): what model providers cost, how good they are, and what may be spent on them. */
import { monotonicClock, serviceClient, type RateLimitOptions } from '../src/index.js';
import { budgetRoutes } from './budget/budget-routes.js';
import { CallLog } from './budget/call-log.js';
import { Ledger } from './budget/ledger.js';
import { ProviderClient } from './budget/provider-client.js';
import { policySchema, providerRoutes } from './budget/provider-routes.js';
import { readProviders } from './budget/providers.js';
import { budgetMigrations, toMicros, type BudgetSchema } from './budget/schema.js';
import { defineServer, runWhenMain } from './support/service.js';
import { settingsStore } from './support/settings-store.js';

export const budgetServer = defineServer<BudgetSchema>({
  name: 'budget',
  migrations: budgetMigrations,
  routes: ({ db, config, env, clock, controlToken, openCache, publishInvalidation }) => {
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
        // A completion asked for twice is paid for twice, so that neither retries nor sharing help here.
        new ProviderClient(
          provider,
          serviceClient(provider.id, { baseURL: provider.baseUrl, retry: false, circuitBreaker: false, dedupe: false }),
          config.PROVIDER_MAX_IN_FLIGHT,
          monotonicClock,
        ),
    );
    const policy = settingsStore(db, 'burst-policy', policySchema);
    return {
      routes: [
        budgetRoutes({ db, ledger, controlToken }),
        providerRoutes({
          clients,
          ledger,
          calls: new CallLog(db, now),
          policy,
          cache,
          now,
          controlToken,
          outdate: publishInvalidation,
        }),
      ],
      limit: {
        rateLimit: config.RATE_LIMIT_CAPACITY,
        refillRate: config.RATE_LIMIT_REFILL_PER_SECOND,
      } satisfies RateLimitOptions,
    };
  },
});

runWhenMain(budgetServer);
