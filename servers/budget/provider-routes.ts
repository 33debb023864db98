/** `/api/v1/providers`: the model providers, their quality, and prompts to the best of them. */
import * as z from 'zod';
import type { MultiLayerCacheManager } from '../../src/index.js';
import { RouteTable } from '../support/route-table.js';
import { patchOf, type SettingsStore } from '../support/settings-store.js';
import { burstKey, type BurstPolicy } from './admission.js';
import { burst, type BurstResult } from './burst.js';
import { burstSchema, policySchema } from './burst-schema.js';
import type { CallLog } from './call-log.js';
import type { Ledger } from './ledger.js';
import type { ProviderClient } from './provider-client.js';
import { BALANCED, type ProviderQuality } from './quality.js';
import type { Ranking } from './ranking.js';

/** Lists may be cached for this time. A change of the policy invalidates them at once. */
const BRIEFLY = 'public, max-age=5';

const weight = z.coerce.number().min(0).max(100);
const preferenceSchema = z.object({
  success: weight.default(BALANCED.success),
  latency: weight.default(BALANCED.latency),
  cost: weight.default(BALANCED.cost),
});

export interface ProviderParts {
  readonly clients: readonly ProviderClient[];
  readonly ledger: Ledger;
  readonly calls: CallLog;
  readonly ranking: Ranking;
  readonly policy: SettingsStore<BurstPolicy>;
  readonly cache: MultiLayerCacheManager;
  readonly now: () => number;
  readonly controlToken: string | undefined;
  /** Invalidates the keys that match a pattern in all caches of the fleet. */
  readonly outdate: (pattern: string) => Promise<void>;
}

export function providerRoutes(parts: ProviderParts): RouteTable {
  const { clients, calls, policy, cache, now } = parts;
  const { quality, ranked } = parts.ranking;
  return new RouteTable('/api/v1/providers', parts.controlToken)
    .get(
      '/status',
      { summary: 'Configured providers and whether each can be asked', cacheControl: BRIEFLY },
      async () => {
        const { disabled } = await policy.read();
        const measured = new Map((await quality()).map((one) => [one.provider, one]));
        return {
          providers: clients.map((client) => describeProvider(client, disabled, measured.get(client.provider.id))),
        };
      },
    )
    .get('/policy', { summary: 'How bursts are run' }, async () => ({ policy: await policy.read() }))
    .post(
      '/policy',
      { summary: 'Changes how bursts are run', body: patchOf(policySchema), control: true },
      async ({ body }) => {
        const changed = await policy.change(body, now());
        await parts.outdate('provider:*');
        return { policy: changed };
      },
    )
    .post(
      '/burst',
      { summary: 'Asks several providers at once; the first good answer wins', body: burstSchema },
      async ({ body }) => {
        const settings = await policy.read();
        const request = { ...body, maxTokens: Math.min(body.maxTokens, settings.maxTokens) };
        let asked = false;
        const ask = (): Promise<BurstResult> => {
          asked = true;
          return burst(request, settings, { ...parts, ranked });
        };
        const ttl = settings.cacheMs;
        const answer =
          ttl === 0 ? await ask() : await cache.getOrSet(burstKey(request), ask, { ttl, tags: ['provider'] });
        return { answer, cached: !asked };
      },
    )
    .get('/costs', { summary: 'Calls, tokens and cost of each provider', cacheControl: BRIEFLY }, () => calls.costs())
    .get(
      '/recommend',
      { summary: 'Providers by measured success, latency and cost', query: preferenceSchema, cacheControl: BRIEFLY },
      async ({ query }) => {
        const ranking = await quality(query);
        const { disabled } = await policy.read();
        const askable = new Set(clients.filter((one) => isAskable(one, disabled)).map(({ provider }) => provider.id));
        const judged = ranking.map((one) => ({ ...one, available: askable.has(one.provider) }));
        const recommended = judged.find(({ available }) => available)?.provider ?? null;
        return { recommended, preference: query, ranking: judged };
      },
    )
    .get('/resilience-status', { summary: 'Circuits, calls in flight and the answer cache' }, () => ({
      providers: clients.map((client) => ({
        id: client.provider.id,
        circuit: client.breaker.state,
        retryAfterMs: Math.round(client.retryAfter()),
        inFlight: client.inFlight,
      })),
      cache: cache.getStats(),
    }));
}

/** Whether a provider can be called now. The same rule applies to lists, recommendations and calls. */
function isAskable(client: ProviderClient, disabled: readonly string[]): boolean {
  const { id, enabled, configured } = client.provider;
  return enabled && configured && !disabled.includes(id) && client.isCallable();
}

function describeProvider(client: ProviderClient, disabled: readonly string[], measured: ProviderQuality | undefined) {
  const { id, model, baseUrl, inputPrice, outputPrice, enabled, configured } = client.provider;
  const isEnabled = enabled && !disabled.includes(id);
  return {
    id,
    model,
    host: new URL(baseUrl).host,
    inputPrice,
    outputPrice,
    enabled: isEnabled,
    configured,
    available: isAskable(client, disabled),
    circuit: client.breaker.state,
    calls: measured?.calls ?? 0,
    successRate: measured?.successRate ?? null,
    medianLatencyMs: measured?.medianLatencyMs ?? null,
  };
}
