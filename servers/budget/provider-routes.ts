/** `/api/v1/providers`: which model providers there are, how good they have been, and a prompt to the best of them. */
import { z } from 'zod';
import type { MultiLayerCacheManager } from '../../src/index.js';
import { RouteTable } from '../support/route-table.js';
import type { SettingsStore } from '../support/settings-store.js';
import { burst, burstKey, type BurstPolicy, type BurstResult } from './burst.js';
import type { CallLog } from './call-log.js';
import type { Ledger } from './ledger.js';
import type { ProviderClient } from './provider-client.js';
import { BALANCED, rankProviders, type ProviderQuality } from './quality.js';

/** Lists may be this old; a change of the policy drops them at once. */
const BRIEFLY = 'public, max-age=5';

const MAX_PROMPT = 32_000;

export const policySchema = z.strictObject({
  concurrency: z.number().int().min(1).max(10).default(2),
  timeoutMs: z.number().int().min(100).max(120_000).default(30_000),
  maxTokens: z.number().int().min(1).max(100_000).default(4096),
  cacheMs: z.number().int().min(0).max(86_400_000).default(60_000),
  disabled: z.array(z.string().max(64)).max(50).default([]),
});

const burstSchema = z.strictObject({
  prompt: z.string().trim().min(1).max(MAX_PROMPT),
  system: z.string().max(MAX_PROMPT).optional(),
  maxTokens: z.number().int().min(1).default(512),
  cohortId: z.string().min(1).max(100).optional(),
  providers: z.array(z.string().max(64)).min(1).max(50).optional(),
});

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
  readonly policy: SettingsStore<BurstPolicy>;
  readonly cache: MultiLayerCacheManager;
  readonly now: () => number;
  readonly controlToken: string | undefined;
  /** Takes what matches a pattern out of every cache of the fleet. */
  readonly outdate: (pattern: string) => Promise<void>;
}

export function providerRoutes(parts: ProviderParts): RouteTable {
  const { clients, calls, policy, cache, now } = parts;
  const ids = clients.map(({ provider }) => provider.id);
  const quality = async (preference = BALANCED): Promise<ProviderQuality[]> =>
    rankProviders(ids, await calls.recent(ids), preference);
  const ranked = async (): Promise<ProviderClient[]> => {
    const order = (await quality()).map(({ provider }) => provider);
    return [...clients].sort((a, b) => order.indexOf(a.provider.id) - order.indexOf(b.provider.id));
  };

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
      { summary: 'Changes how bursts are run', body: policySchema.partial(), control: true },
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
    .get('/costs', { summary: 'Calls, tokens and cost of each provider', cacheControl: BRIEFLY }, async () => {
      const providers = await calls.costs();
      return { providers, total: providers.reduce((sum, { cost }) => sum + cost, 0) };
    })
    .get(
      '/recommend',
      { summary: 'Providers by measured success, latency and cost', query: preferenceSchema, cacheControl: BRIEFLY },
      async ({ query }) => {
        const ranking = await quality(query);
        return { recommended: ranking[0]?.provider ?? null, preference: query, ranking };
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
    available: isEnabled && configured && client.isCallable(),
    circuit: client.breaker.state,
    calls: measured?.calls ?? 0,
    successRate: measured?.successRate ?? null,
    medianLatencyMs: measured?.medianLatencyMs ?? null,
  };
}
