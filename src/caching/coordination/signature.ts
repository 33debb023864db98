/**
 * Verifies the sender of a request and that it is not a replay. Replays are detected by a counter and a challenge,
 * without a clock.
 */
import { createHash, createHmac } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { sameSecret } from '../../shared/control-access.js';

/** The fields that identify a request; all of them are signed. */
export interface Envelope {
  readonly origin: string;
  /** Random, one per start of the sender: its sequence starts again. */
  readonly session: string;
  /** Grows with every new batch to this receiver; a repeated batch keeps its number. */
  readonly sequence: number;
  /** Random, one per start of the receiver. A signature for an earlier one is invalid. */
  readonly challenge: string;
}

export function sign(secret: string, path: string, envelope: Envelope, body: Buffer): string {
  const { origin, session, sequence, challenge } = envelope;
  const digest = createHash('sha256').update(body).digest('hex');
  const text = JSON.stringify([path, origin, session, sequence, challenge, digest]);
  return createHmac('sha256', secret).update(text).digest('hex');
}

export function isSigned(secret: string, path: string, envelope: Envelope, body: Buffer, signature: string): boolean {
  return sameSecret(sign(secret, path, envelope, body), signature);
}

const MAX_SENDERS = 10_000;

/** Distinguishes a new batch from one that was already received. */
export class SequenceGuard {
  readonly #last = new LRUCache<string, number>({ max: MAX_SENDERS });

  isNew({ origin, session, sequence }: Envelope): boolean {
    const last = this.#last.get(`${origin} ${session}`);
    return last === undefined || sequence > last;
  }

  /** Called only after the batch was applied, so that a failed batch can be sent again. */
  accept({ origin, session, sequence }: Envelope): void {
    this.#last.set(`${origin} ${session}`, sequence);
  }
}
