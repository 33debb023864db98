/** The measured quality of the providers, and their clients in that order. */
import type { RankedProvider } from './admission.js';
import type { CallLog } from './call-log.js';
import type { ProviderClient } from './provider-client.js';
import { BALANCED, rankProviders, type Preference, type ProviderQuality } from './quality.js';

export interface Ranking {
  readonly quality: (preference?: Preference) => Promise<ProviderQuality[]>;
  /** The clients, best first. */
  readonly ranked: () => Promise<RankedProvider[]>;
}

export function rankingOf(clients: readonly ProviderClient[], calls: CallLog): Ranking {
  const byId = new Map(clients.map((client) => [client.provider.id, client]));
  const ids = [...byId.keys()];
  const quality = async (preference = BALANCED): Promise<ProviderQuality[]> =>
    rankProviders(ids, await calls.recent(ids), preference);
  return {
    quality,
    ranked: async () => (await quality()).map(({ provider, asked }) => ({ client: byId.get(provider)!, asked })),
  };
}
