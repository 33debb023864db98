/**
 * Sends a prompt to several providers at once and returns the first good answer. The cost of all calls is reserved
 * before the first call. The actual cost is settled when the last call has ended.
 */
import { messageOf, ResilienceError } from '../../src/index.js';
import { admit, type BurstParts, type BurstPolicy, type BurstRequest } from './admission.js';
import type { CallLog } from './call-log.js';
import type { Answer, ProviderClient } from './provider-client.js';

export interface BurstResult {
  readonly provider: string;
  readonly model: string;
  readonly text: string;
  readonly cost: number;
  readonly latencyMs: number;
  readonly asked: readonly string[];
}

/**
 * @throws the errors of `admit`, and ResilienceError UPSTREAM_INVALID if no provider gave a good answer
 */
export async function burst(request: BurstRequest, policy: BurstPolicy, parts: BurstParts): Promise<BurstResult> {
  const { ledger, calls } = parts;
  const { clients, reservation } = await admit(request, policy, parts);
  const race = askAll(clients, request, policy, calls);
  // The reservation lasts longer than the answer, because the other providers may still charge until their calls have
  // ended.
  const settled = race.spent.then((micros) =>
    // The billed amount is recorded even if it exceeds the reservation, because the limits apply to the actual cost.
    ledger.settle(
      reservation,
      micros === 0 ? [] : [{ cohort: reservation.cohort, workflow: 'burst', costMicros: micros }],
    ),
  );
  try {
    return await race.first;
  } finally {
    await settled; // on failure too, so that the money is available again when the caller gets the error
  }
}

/** Calls all providers; `first` is the first good answer, `spent` is the total cost after all calls have ended. */
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
    decided.abort(answeredFirst());
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

/** Why the calls of the other providers end. */
export function answeredFirst(): Error {
  return new Error('another provider answered first');
}

/** The error of a burst without a good answer, with the reason of each provider. */
export function noGoodAnswer(reasons: readonly unknown[]): ResilienceError {
  return new ResilienceError(
    'UPSTREAM_INVALID',
    `no provider gave a good answer: ${reasons.map(messageOf).join('; ')}`,
  );
}

function refuse(error: unknown): never {
  throw noGoodAnswer(error instanceof AggregateError ? error.errors : [error]);
}
