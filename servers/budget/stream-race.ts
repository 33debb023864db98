/** Asks several providers for a streamed answer. The first one that sends text wins, and the other calls are cancelled. */
import { messageOf } from '../../src/index.js';
import type { BurstRequest } from './admission.js';
import { answeredFirst } from './burst.js';
import type { CallLog } from './call-log.js';
import type { Answer, ProviderClient } from './provider-client.js';

export interface StreamRaceOptions {
  readonly clients: readonly ProviderClient[];
  readonly request: BurstRequest;
  /** Maximum time without a part of an answer, in ms. */
  readonly timeoutMs: number;
  readonly calls: CallLog;
  /** Ends all calls. */
  readonly signal: AbortSignal;
  /** Called with each piece of text of the winner. */
  readonly onText: (winner: ProviderClient, text: string) => void;
  /** Called with the cost of all calls so far, in millionths of a US dollar. */
  readonly onCost: (micros: number) => void;
}

export interface StreamRaceEnd {
  /** The winner and its answer, which may have failed after some text. Undefined if no provider sent text. */
  readonly won: { readonly winner: ProviderClient; readonly answer: Answer } | undefined;
  /** Why each call of the other providers failed. */
  readonly reasons: readonly Error[];
  /** The cost of all calls, in millionths of a US dollar. */
  readonly costMicros: number;
}

/** Settles when the last call has ended. It never rejects. */
export async function raceStreams(options: StreamRaceOptions): Promise<StreamRaceEnd> {
  const { clients, request, timeoutMs, calls, signal, onText, onCost } = options;
  const costs = new Map<ProviderClient, number>();
  const spent = (): number => [...costs.values()].reduce((sum, micros) => sum + micros, 0);
  const lanes = clients.map((client) => ({ client, lost: new AbortController() }));
  let winner: ProviderClient | undefined;

  function receive(client: ProviderClient, text: string, costMicros: number): void {
    if (winner === undefined) {
      winner = client;
      for (const lane of lanes) if (lane.client !== client) lane.lost.abort(answeredFirst());
    }
    if (winner !== client) return;
    costs.set(client, costMicros);
    onText(client, text);
    onCost(spent());
  }

  const ended = await Promise.allSettled(
    lanes.map(async ({ client, lost }) => {
      const either = AbortSignal.any([signal, lost.signal]);
      const answer = await client.stream(request, timeoutMs, either, (text, cost) => receive(client, text, cost));
      costs.set(client, answer.costMicros);
      await calls.record(client.provider.id, answer);
      return { client, answer };
    }),
  );
  const known = ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const best = known.find(({ client }) => client === winner);
  return {
    won: best && { winner: best.client, answer: best.answer },
    reasons: [
      ...known.flatMap(({ client, answer }) =>
        answer.outcome === 'success' ? [] : [new Error(`${client.provider.id}: ${answer.reason}`)],
      ),
      ...ended.flatMap((one) => (one.status === 'rejected' ? [new Error(messageOf(one.reason))] : [])),
    ],
    costMicros: spent(),
  };
}
