/** The status of a coordinator: its peers, the messages pending for them, and how far behind they are. */
import type { DeliveryDelays } from './delivery-log.js';
import type { PeerStatus } from './transport.js';

/** Messages since the start. */
export interface CoordinationStats {
  readonly published: number;
  readonly received: number;
  readonly applied: number;
  /** Messages that were received before. */
  readonly duplicates: number;
  /** Values that conflicted with a value of another service. */
  readonly conflicts: number;
  /** Messages that `checkCoherence` found missing, here or at a peer. */
  readonly repaired: number;
}

/** The peers and the messages pending for them. */
export interface CoordinationStatus {
  readonly serviceId: string;
  readonly peers: readonly string[];
  readonly pendingInvalidations: number;
  readonly peerStatus: Readonly<Record<string, PeerStatus>>;
  readonly stats: CoordinationStats;
  readonly coherence: CoherenceFigures;
}

/** How far the peers are behind the messages published here. */
export interface CoherenceFigures {
  /** The number of peers that have confirmed all messages, and the number of all peers. */
  readonly upToDate: number;
  readonly peers: number;
  /** Milliseconds since the oldest unconfirmed message was sent; 0 if no message is pending. */
  readonly oldestPending: number;
  readonly delays: DeliveryDelays;
  /**
   * Result of the last comparison, and its time in epoch milliseconds; undefined before the first, or if peers are
   * never compared.
   */
  readonly lastCheck: { readonly at: number; readonly isCoherent: boolean } | undefined;
}

/** The result of `checkCoherence` for one peer. */
export interface PeerCoherence {
  readonly isReachable: boolean;
  /** Messages of the peer that had not arrived here. They are applied now. */
  readonly missedHere: number;
  /** Messages that had not arrived at the peer. They are being sent now. */
  readonly missedThere: number;
  readonly error?: string;
}

/** The result of `checkCoherence`. */
export interface CoherenceReport {
  /** Whether every peer was reached and nothing was missing. */
  readonly isCoherent: boolean;
  readonly peers: Readonly<Record<string, PeerCoherence>>;
}
