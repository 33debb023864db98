/** The comparison of two services: which messages each has received, and the repair of the difference. */
import { messageOf } from '../../shared/errors.js';
import type { PeerCoherence } from './coordination-status.js';
import { BUCKETS, type CoordinationMessage, type DigestAnswer } from './messages.js';
import type { CoordinatorTransport } from './transport.js';
import { VersionLog } from './version-log.js';

/** The messages that this service has, and how it exchanges the others. */
export interface OwnSide {
  readonly log: VersionLog;
  readonly transport: CoordinatorTransport;
  receive(messages: readonly CoordinationMessage[]): Promise<void>;
}

/** Compares with one peer and repairs the difference. Never rejects. */
export async function compareWith(peer: string, own: OwnSide): Promise<PeerCoherence> {
  const { log, transport } = own;
  let missedHere = 0;
  let missedThere = 0;
  try {
    for (let from = 0; from < BUCKETS;) {
      const answer = await transport.exchange!(peer, { digest: log.digest(), from });
      const here = answer.messages.filter((message) => !log.knows(message));
      const there = unknownTo(answer, from, log);
      await own.receive(here);
      transport.send(there, peer);
      missedHere += here.length;
      missedThere += there.length;
      from = Math.max(answer.next, from + 1);
    }
    return { isReachable: true, missedHere, missedThere };
  } catch (error) {
    return { isReachable: false, missedHere, missedThere, error: messageOf(error) };
  }
}

/** The messages known here, in the shares that the answer covers, that the peer does not know. */
function unknownTo({ digest, messages, next }: DigestAnswer, from: number, log: VersionLog): CoordinationMessage[] {
  const theirs = new VersionLog();
  for (const message of messages) theirs.note(message);
  return log.inShares(digest, from, next).filter((message) => !theirs.knows(message));
}
