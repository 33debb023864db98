/** The interface of the transports between coordinators. */
import type { Awaitable } from '../cache-layer.js';
import type { Middleware } from '../../shared/http.js';
import type { CoordinationMessage, DigestAnswer, DigestQuestion } from './messages.js';

/**
 * Receives the messages of a transport.
 *
 * @example
 * import type { CoordinationMessage, CoordinationReceiver } from '@tooloo/resilience';
 *
 * export function deliver(receiver: CoordinationReceiver, messages: readonly CoordinationMessage[]): Promise<void> {
 *   return receiver.receive(messages);
 * }
 */
export interface CoordinationReceiver {
  readonly serviceId: string;
  /** Applies messages of other services; settles when their effect is visible. */
  receive(messages: readonly CoordinationMessage[]): Promise<void>;
  /** Called with the messages that a peer confirmed; `peer` is the peer's name in `status`. */
  delivered?(peer: string, messages: readonly CoordinationMessage[]): void;
  /** The digest of this service, and the messages it knows where it differs from the given digest. */
  compare(question: DigestQuestion): DigestAnswer;
  /** Replaces messages that can no longer be delivered one by one. */
  everything(): CoordinationMessage;
}

/** The connection state of one peer. */
export interface PeerStatus {
  /** `unknown` until something was sent. */
  readonly state: 'unknown' | 'up' | 'down';
  /** Messages being delivered. */
  readonly pending: number;
  /** Milliseconds since the oldest of them was queued; 0 if none is pending. */
  readonly pendingFor?: number;
  readonly delivered: number;
  readonly failures: number;
  readonly lastError: string | undefined;
}

/**
 * Delivers at least once, in order for each peer, and keeps the messages for an unreachable peer.
 *
 * @example
 * import { DistributedCacheCoordinator, HttpTransport, type CoordinatorTransport } from '@tooloo/resilience';
 *
 * const transport: CoordinatorTransport = new HttpTransport({ timeout: 1000 });
 * const coordinator = new DistributedCacheCoordinator(cache, 'orders-1', { transport });
 */
export interface CoordinatorTransport {
  /** Called once, before anything else. */
  start(receiver: CoordinationReceiver): Awaitable<void>;
  addPeer(id: string, host: string, port: number): void;
  /** Removes a peer and its pending messages. */
  removePeer(id: string): void;
  /** Queues messages for every peer, or for one. */
  send(messages: readonly CoordinationMessage[], peer?: string): void;
  /** Messages not yet delivered. */
  readonly pending: number;
  status(): Readonly<Record<string, PeerStatus>>;
  /** The side of the peer in a comparison. Absent in a transport that tracks missed messages itself. */
  exchange?(peer: string, question: DigestQuestion): Promise<DigestAnswer>;
  /** The endpoint that peers post to, if the transport uses one. */
  readonly router: Middleware;
  /** Settles when nothing is pending. */
  flush(): Promise<void>;
  close(): Awaitable<void>;
}
