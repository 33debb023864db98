/**
 * Asks several providers the same at once and takes the first good answer. The money for all of them is reserved
 * before the first is asked, and what was really spent is settled when the last is done.
 */
import { createHash } from 'node:crypto';
import { messageOf, ResilienceError } from '../../src/index.js';
import type { CallLog } from './call-log.js';
import { DEFAULT_COHORT, type Ledger } from './ledger.js';
import type { Answer, ProviderClient } from './provider-client.js';
import { costMicros, mostInputTokens, type Provider } from './providers.js';

export interface BurstRequest {
  readonly prompt: string;
  readonly system?: string | undefined;
  readonly maxTokens: number;
  readonly cohortId?: string | undefined;
  /** Ask only these. */
  readonly providers?: readonly string[] | undefined;
}

export interface BurstPolicy {
  /** Providers asked at once for one burst. */
  readonly concurrency: number;
  /** Longest a provider may take, in ms. */
  readonly timeoutMs: number;
  /** Most tokens a caller may ask for. */
  readonly maxTokens: number;
  /** How long an answer is kept, in ms; 0 keeps none. */
  readonly cacheMs: number;
  /** Providers left out. */
  readonly disabled: readonly string[];
}

export interface BurstResult {
  readonly provider: string;
  readonly model: string;
  readonly text: string;
  readonly cost: number;
  readonly latencyMs: number;
  readonly asked: readonly string[];
}

export interface BurstParts {
  readonly ledger: Ledger;
  readonly calls: CallLog;
  /** Providers in the order they are best asked, with how to ask each. */
  readonly ranked: () => Promise<readonly ProviderClient[]>;
}

/** The same question, whoever asks: the key of its answer. */
export function burstKey({ prompt, system, maxTokens, providers }: BurstRequest): string {
  const parts = JSON.stringify([prompt, system ?? '', maxTokens, [...(providers ?? [])].sort()]);
  return `provider:burst:${createHash('sha256').update(parts).digest('hex')}`;
}

/** The most a provider may charge for the request. */
function mostMicros(provider: Provider, { prompt, system = '', maxTokens }: BurstRequest): number {
  return costMicros(provider, mostInputTokens(prompt) + mostInputTokens(system), maxTokens);
}

/**
 * @throws ResilienceError NOT_CONFIGURED when there is no provider to ask, CIRCUIT_OPEN when all are broken,
 *   QUOTA_EXCEEDED when the budget has not enough left, UPSTREAM_INVALID when nobody gave a good answer
 */
export async function burst(request: BurstRequest, policy: BurstPolicy, parts: BurstParts): Promise<BurstResult> {
  const { ledger, calls } = parts;
  const chosen = callable(usable(await parts.ranked(), request, policy)).slice(0, policy.concurrency);
  const cohort = request.cohortId ?? DEFAULT_COHORT;
  const most = chosen.reduce((sum, { provider }) => sum + mostMicros(provider, request), 0);
  const reservation = await ledger.reserve(cohort, most);
  // While the money was being reserved, others may have taken the last place at a provider.
  const clients = await orRelease(() => callable(chosen), reservation, ledger);
  const race = askAll(clients, request, policy, calls);
  // The reservation outlives the answer: those who lost may still charge until they have really ended.
  const settled = race.spent.then((micros) =>
    ledger.settle(reservation, micros === 0 ? [] : [{ cohort, workflow: 'burst', costMicros: Math.min(micros, most) }]),
  );
  try {
    return await race.first;
  } finally {
    await settled; // also when nobody answered: whoever is told so finds the money back
  }
}

/** What `choose` gives; when it throws, the reservation is released first. */
async function orRelease<T>(choose: () => T, reservation: string, ledger: Ledger): Promise<T> {
  try {
    return choose();
  } catch (error) {
    await ledger.settle(reservation, []);
    throw error;
  }
}

/** The providers that this request may be asked of, at least one. */
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

/** Those of the providers that it makes sense to ask now, at least one. */
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

/** Asks all; `first` is the first good answer, `spent` what all of them cost once each has ended. */
function askAll(
  clients: readonly ProviderClient[],
  request: BurstRequest,
  policy: BurstPolicy,
  calls: CallLog,
): { first: Promise<BurstResult>; spent: Promise<number> } {
  const decided = new AbortController();
  const asked = clients.map(({ provider }) => provider.id);
  const attempts = clients.map(async (client) => {
    const { provider } = client;
    const answer = await client.ask(request, policy.timeoutMs, decided.signal);
    await calls.record(provider.id, answer);
    return { provider, answer };
  });
  const good = attempts.map(async (attempt) => {
    const { provider, answer } = await attempt;
    if (answer.outcome !== 'success') throw new Error(`${provider.id}: ${answer.reason}`);
    decided.abort();
    return {
      provider: provider.id,
      model: provider.model,
      text: answer.text,
      cost: answer.costMicros / 1_000_000,
      latencyMs: answer.latencyMs,
      asked,
    };
  });
  return { first: Promise.any(good).catch(refuse), spent: sumOfCosts(attempts) };
}

async function sumOfCosts(attempts: ReadonlyArray<Promise<{ answer: Answer }>>): Promise<number> {
  const ended = await Promise.allSettled(attempts);
  return ended.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value.answer.costMicros : 0), 0);
}

function refuse(error: unknown): never {
  const reasons = error instanceof AggregateError ? error.errors.map(messageOf) : [messageOf(error)];
  throw new ResilienceError('UPSTREAM_INVALID', `no provider gave a good answer: ${reasons.join('; ')}`);
}
