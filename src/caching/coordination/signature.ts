/** Who sent this, and is it the first time? Without a clock: replays are refused by counting, and by a challenge. */
import { createHash, createHmac } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { sameSecret } from '../../shared/control-access.js';

/** What a request says of itself; all of it is signed. */
export interface Envelope {
  readonly origin: string;
  /** Random, one a start of the sender: its sequence begins anew. */
  readonly session: string;
  /** Grows with every new batch to this receiver; a repeated batch keeps its number. */
  readonly sequence: number;
  /** Random, one a start of the receiver: what was signed for an earlier one is void. */
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

/** Tells a batch that is new from one that was seen. */
export class SequenceGuard {
  readonly #last = new LRUCache<string, number>({ max: MAX_SENDERS });

  isNew({ origin, session, sequence }: Envelope): boolean {
    const last = this.#last.get(`${origin} ${session}`);
    return last === undefined || sequence > last;
  }

  /** Only once it was applied: a batch that failed may come again. */
  accept({ origin, session, sequence }: Envelope): void {
    this.#last.set(`${origin} ${session}`, sequence);
  }
}
