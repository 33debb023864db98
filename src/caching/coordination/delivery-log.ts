/**
 * The deliveries of the last invalidations published here: the peers that confirmed each, and after how long. Bounded.
 */
import { compareStamps, type Stamp } from './hybrid-clock.js';
import { aboutOf, isEverything, type CoordinationMessage, type InvalidationKind } from './messages.js';

/** One invalidation published by this process, and its deliveries. */
export interface InvalidationDelivery {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly kind: InvalidationKind;
  readonly name: string;
  readonly soft: boolean;
  /** The origin of the invalidation: the service and its process. */
  readonly by: string;
  /** Milliseconds until each peer confirmed it; null for a peer that has not confirmed. */
  readonly peers: Readonly<Record<string, number | null>>;
}

/** Milliseconds from publishing until a peer confirmed. */
export interface DeliveryDelays {
  /** The number of latest confirmations that the figures are based on. */
  readonly count: number;
  /** 0 without any confirmation. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

interface Sent {
  readonly message: CoordinationMessage;
  readonly begun: number;
  readonly peers: Map<string, number | null>;
}

const KEPT = 100;
const DELAYS_KEPT = 256;

export class DeliveryLog {
  readonly #sent: Sent[] = [];
  readonly #delays: number[] = [];

  /** @param now the time of a monotonic clock, here and below */
  published(message: CoordinationMessage, peers: readonly string[], now: number): void {
    this.#sent.push({ message, begun: now, peers: new Map(peers.map((peer) => [peer, null])) });
    if (this.#sent.length > KEPT) this.#sent.shift();
  }

  /** Records what a peer has confirmed. A message also confirms earlier messages about the same name. */
  confirmed(peer: string, messages: readonly CoordinationMessage[], now: number): void {
    const stamps = new Map<string, Stamp>(messages.map((message) => [idOf(message), message.stamp]));
    const all = messages.find(isEverything);
    for (const { message, begun, peers } of this.#sent) {
      if (peers.get(peer) !== null) continue;
      const stamp = stamps.get(idOf(message)) ?? all?.stamp;
      if (stamp === undefined || compareStamps(stamp, message.stamp) < 0) continue;
      peers.set(peer, now - begun);
      this.#delays.push(now - begun);
    }
    if (this.#delays.length > DELAYS_KEPT) this.#delays.splice(0, this.#delays.length - DELAYS_KEPT);
  }

  /** A removed peer sends no further confirmation. */
  forget(peer: string): void {
    for (const { peers } of this.#sent) if (peers.get(peer) === null) peers.delete(peer);
  }

  /** The newest first. */
  recent(limit: number, shown: (name: string) => string): InvalidationDelivery[] {
    return this.#sent
      .slice(-limit)
      .reverse()
      .map(({ message: { kind, name, soft, stamp, origin }, peers }) => ({
        at: stamp.time,
        kind,
        name: shown(name),
        soft: soft === true,
        by: origin,
        peers: Object.fromEntries(peers),
      }));
  }

  delays(): DeliveryDelays {
    const sorted = [...this.#delays].sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
    return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  }
}

/** Identifies a message by its origin and its subject. */
function idOf(message: CoordinationMessage): string {
  return `${message.origin} ${aboutOf(message)}`;
}
