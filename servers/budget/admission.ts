/** Chooses the providers of a burst, and reserves the maximum cost of all its calls before the first call. */
import { createHash } from 'node:crypto';
import { ResilienceError } from '../../src/index.js';
import type { CallLog } from './call-log.js';
import { DEFAULT_COHORT, type Ledger, type Reservation } from './ledger.js';
import { chooseProviders } from './quality.js';
import type { ProviderClient } from './provider-client.js';
import { costMicros, mostInputTokens, type Provider } from './providers.js';

export interface BurstRequest {
  readonly prompt: string;
  readonly system?: string | undefined;
  readonly maxTokens: number;
  readonly cohortId?: string | undefined;
  /** Use only these providers. */
  readonly providers?: readonly string[] | undefined;
}

export interface BurstPolicy {
  /** Number of providers per burst. */
  readonly concurrency: number;
  /** Time limit for a provider, in ms. For a streamed answer, it applies to each wait for text. */
  readonly timeoutMs: number;
  /** Time limit for a whole streamed answer, in ms. */
  readonly streamMs: number;
  /** Time for which a stream continues after its client left, in ms. In this time, the client can resume. */
  readonly resumeMs: number;
  /** Maximum number of tokens that a caller may request. */
  readonly maxTokens: number;
  /** Time for which an answer is cached, in ms; 0 caches nothing. */
  readonly cacheMs: number;
  /** Providers that are not used. */
  readonly disabled: readonly string[];
}

export interface BurstParts {
  readonly ledger: Ledger;
  readonly calls: CallLog;
  /** The providers with their clients, best first. */
  readonly ranked: () => Promise<readonly RankedProvider[]>;
  /** The source of random numbers. Default `Math.random`. */
  readonly random?: () => number;
}

export interface RankedProvider {
  readonly client: ProviderClient;
  /** Number of recent calls. */
  readonly asked: number;
}

/** The providers to call, and the money reserved for their calls. */
export interface Admission {
  readonly clients: readonly ProviderClient[];
  readonly reservation: Reservation;
}

/** The cache key of an answer. It depends on the question and not on the caller. */
export function burstKey({ prompt, system, maxTokens, providers }: BurstRequest): string {
  const parts = JSON.stringify([prompt, system ?? '', maxTokens, [...(providers ?? [])].sort()]);
  return `provider:burst:${createHash('sha256').update(parts).digest('hex')}`;
}

/** The maximum cost of the request at a provider. */
function mostMicros(provider: Provider, { prompt, system = '', maxTokens }: BurstRequest): number {
  return costMicros(provider, mostInputTokens(prompt) + mostInputTokens(system), maxTokens);
}

/**
 * @throws ResilienceError NOT_CONFIGURED if no provider is available, CIRCUIT_OPEN if all circuits are open,
 * CONCURRENCY_EXCEEDED if all providers are busy, QUOTA_EXCEEDED if the budget is not sufficient
 */
export async function admit(request: BurstRequest, policy: BurstPolicy, parts: BurstParts): Promise<Admission> {
  const { ledger } = parts;
  const ranked = await parts.ranked();
  const free = new Set(
    callable(
      usable(
        ranked.map(({ client }) => client),
        request,
        policy,
      ),
    ),
  );
  const askable = ranked.filter(({ client }) => free.has(client));
  const chosen = chooseProviders(askable, policy.concurrency, parts.random).map(({ client }) => client);
  const most = chosen.reduce((sum, { provider }) => sum + mostMicros(provider, request), 0);
  const reservation = await ledger.reserve(request.cohortId ?? DEFAULT_COHORT, most);
  // During the reservation, other requests may have taken the last free slot of a provider.
  return { clients: await orRelease(() => callable(chosen), reservation, ledger), reservation };
}

/** Returns the result of `choose`. If that throws, the reservation is released first. */
async function orRelease<T>(choose: () => T, reservation: Reservation, ledger: Ledger): Promise<T> {
  try {
    return choose();
  } catch (error) {
    await ledger.settle(reservation, []);
    throw error;
  }
}

/** The providers that this request may use, at least one. */
function usable(ranked: readonly ProviderClient[], request: BurstRequest, policy: BurstPolicy): ProviderClient[] {
  const clients = ranked.filter(
    ({ provider }) =>
      provider.enabled &&
      provider.configured &&
      !policy.disabled.includes(provider.id) &&
      (request.providers?.includes(provider.id) ?? true),
  );
  if (clients.length > 0) return clients;
  throw new ResilienceError(
    'NOT_CONFIGURED',
    'no model provider is configured and enabled: name some in PROVIDERS_FILE, with their keys in the environment',
  );
}

/** The providers that can be called now, at least one. */
function callable(clients: readonly ProviderClient[]): ProviderClient[] {
  const free = clients.filter((client) => client.isCallable());
  if (free.length > 0) return free;
  if (clients.some((client) => client.breaker.state !== 'open')) {
    throw new ResilienceError('CONCURRENCY_EXCEEDED', 'every provider has as many calls in flight as it may', {
      retryAfter: 1,
    });
  }
  throw new ResilienceError('CIRCUIT_OPEN', 'every enabled provider keeps failing', {
    retryAfter: Math.min(...clients.map((client) => client.retryAfter())) / 1000,
  });
}
