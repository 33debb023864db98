/** How messages travel between coordinators. */
import type { Awaitable } from '../cache-layer.js';
import type { Middleware } from '../../shared/http.js';
import type { CoordinationMessage, DigestAnswer, DigestQuestion } from './messages.js';

/** What a transport hands messages to. */
export interface CoordinationReceiver {
  readonly serviceId: string;
  /** Applies messages of other services; settles when their effect is visible. */
  receive(messages: readonly CoordinationMessage[]): Promise<void>;
  /** Told what a peer has confirmed, by the name `status` gives it. */
  delivered?(peer: string, messages: readonly CoordinationMessage[]): void;
  /** This service's digest, and what it knows where the one given differs. */
  compare(question: DigestQuestion): DigestAnswer;
  /** In place of messages that can no longer be delivered one by one. */
  everything(): CoordinationMessage;
}

/** How one peer is reached. */
export interface PeerStatus {
  /** `unknown` until something was sent. */
  readonly state: 'unknown' | 'up' | 'down';
  /** Messages on their way. */
  readonly pending: number;
  /** Milliseconds for which the oldest of them has been; 0 where there is none. */
  readonly pendingFor?: number;
  readonly delivered: number;
  readonly failures: number;
  readonly lastError: string | undefined;
}

/** Delivers at least once, in order for each peer, and keeps what a peer that is away has to hear. */
export interface CoordinatorTransport {
  /** Called once, before anything else. */
  start(receiver: CoordinationReceiver): Awaitable<void>;
  addPeer(id: string, host: string, port: number): void;
  /** Forgets a peer, and what it has yet to hear. */
  removePeer(id: string): void;
  /** Queues messages for every peer, or for one. */
  send(messages: readonly CoordinationMessage[], peer?: string): void;
  /** Messages not yet delivered. */
  readonly pending: number;
  status(): Readonly<Record<string, PeerStatus>>;
  /** The peer's side of a comparison. A transport that itself knows what everybody missed has none. */
  exchange?(peer: string, question: DigestQuestion): Promise<DigestAnswer>;
  /** What peers post to, where they do. */
  readonly router: Middleware;
  /** Settles when nothing is pending. */
  flush(): Promise<void>;
  close(): Awaitable<void>;
}
