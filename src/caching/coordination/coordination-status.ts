/** What a coordinator tells: who the peers are, what is under way to them, how far they are behind. */
import type { DeliveryDelays } from './delivery-log.js';
import type { PeerStatus } from './transport.js';

/** Messages since the start. */
export interface CoordinationStats {
  readonly published: number;
  readonly received: number;
  readonly applied: number;
  /** Messages heard before. */
  readonly duplicates: number;
  /** Values that came while another stood. */
  readonly conflicts: number;
  /** Messages found missing, here or at a peer, by `checkCoherence`. */
  readonly repaired: number;
}

/** Who the peers are and what is under way to them. */
export interface CoordinationStatus {
  readonly serviceId: string;
  readonly peers: readonly string[];
  readonly pendingInvalidations: number;
  readonly peerStatus: Readonly<Record<string, PeerStatus>>;
  readonly stats: CoordinationStats;
  readonly coherence: CoherenceFigures;
}

/** How far the others are behind what was published here. */
export interface CoherenceFigures {
  /** Peers that have confirmed all of it, and all there are. */
  readonly upToDate: number;
  readonly peers: number;
  /** Milliseconds for which the oldest message that is not confirmed has been on its way; 0 where there is none. */
  readonly oldestPending: number;
  readonly delays: DeliveryDelays;
  /** What the last comparison found, and when in epoch milliseconds; undefined before the first, and where there is none. */
  readonly lastCheck: { readonly at: number; readonly isCoherent: boolean } | undefined;
}

/** What `checkCoherence` found at one peer. */
export interface PeerCoherence {
  readonly isReachable: boolean;
  /** Messages of the peer that had not arrived here; they are applied now. */
  readonly missedHere: number;
  /** Messages that had not arrived at the peer; they are on their way now. */
  readonly missedThere: number;
  readonly error?: string;
}

/** What `checkCoherence` found. */
export interface CoherenceReport {
  /** Whether every peer was reached and nothing was missing. */
  readonly isCoherent: boolean;
  readonly peers: Readonly<Record<string, PeerCoherence>>;
}
