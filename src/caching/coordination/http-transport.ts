/** Sends messages from service to service over HTTP: signed, batched, and retried until they arrive. */
import { randomUUID } from 'node:crypto';
import { Agent, type IncomingHttpHeaders } from 'node:http';
import { monotonicClock, startTimer, type Clock } from '../../shared/clock.js';
import type { ControlMode } from '../../shared/control-access.js';
import { ResilienceError } from '../../shared/errors.js';
import { readBody, sendRequest } from '../../shared/http-request.js';
import type { Middleware } from '../../shared/http.js';
import { checkOptions, clock as clockCheck, count, number, oneOf, string } from '../../shared/options.js';
import { CONTENT_TYPE, HEADERS, httpReceiver } from './http-receiver.js';
import {
  MAX_BYTES,
  parseDigestAnswer,
  type CoordinationMessage,
  type DigestAnswer,
  type DigestQuestion,
} from './messages.js';
import { PeerQueue, type Batch } from './peer-queue.js';
import { isSigned, sign, type Envelope } from './signature.js';
import type { CoordinationReceiver, CoordinatorTransport, PeerStatus } from './transport.js';

/** The secret, the path and the bounds of messages over HTTP. */
export interface HttpTransportOptions {
  /**
   * The secret that all services share. It signs sent messages and is required of received ones. Without it, all
   * messages are rejected (403).
   */
  readonly secret?: string;
  /**
   * `'loopback'`: without a secret, programs on this machine are trusted. Behind a proxy on this machine, that applies
   * to every client.
   */
  readonly control?: ControlMode;
  /** The path of the router, the same in every service. Default '/cache-coordination'. */
  readonly path?: string;
  /** The response timeout of a peer in milliseconds. Default 1000. */
  readonly timeout?: number;
  /**
   * The most messages kept for an unreachable peer. More messages are replaced by one that invalidates everything.
   * Default 10 000.
   */
  readonly maxPending?: number;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

interface Peer {
  readonly id: string;
  readonly base: string;
  readonly queue: PeerQueue;
  /** One per registration: the sequence of its queue starts again with it. */
  readonly session: string;
  challenge: string;
  exchanges: number;
}

interface PeerResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The peer cannot read the batch, and would not be able to read the same bytes later. */
const UNREADABLE = [400, 413];
/** Used until the challenge of the peer has arrived. */
const UNKNOWN_CHALLENGE = 'unknown';

/**
 * Delivers the messages of a coordinator by HTTP to the peers that were registered.
 *
 * @example
 * import { DistributedCacheCoordinator, HttpTransport } from '@tooloo/resilience';
 *
 * const transport = new HttpTransport({ secret: process.env.CACHE_SECRET ?? '' });
 * const coordinator = new DistributedCacheCoordinator(cache, 'orders-1', { transport });
 */
export class HttpTransport implements CoordinatorTransport {
  readonly router: Middleware;
  readonly #secret: string | undefined;
  readonly #path: string;
  readonly #timeout: number;
  readonly #maxPending: number;
  readonly #clock: Clock;
  readonly #peers = new Map<string, Peer>();
  readonly #agent = new Agent({ keepAlive: true });
  readonly #closing = new AbortController();
  #receiver: CoordinationReceiver | undefined;

  /** @throws TypeError or RangeError for an unknown option or a value out of range */
  constructor(options: HttpTransportOptions = {}) {
    const checked = checkOptions('HttpTransport', options, {
      secret: string,
      control: oneOf('loopback'),
      path: string,
      timeout: number({ min: 1 }),
      maxPending: count(),
      clock: clockCheck,
    });
    this.#secret = checked.secret;
    this.#path = checked.path ?? '/cache-coordination';
    this.#timeout = checked.timeout ?? 1000;
    this.#maxPending = checked.maxPending ?? 10_000;
    this.#clock = checked.clock ?? monotonicClock;
    this.router = httpReceiver({
      path: this.#path,
      secret: this.#secret,
      control: checked.control,
      clock: this.#clock,
      receiver: () => this.#receiver,
    });
  }

  start(receiver: CoordinationReceiver): void {
    this.#receiver = receiver;
  }

  addPeer(id: string, host: string, port: number): void {
    this.removePeer(id);
    const queue = new PeerQueue({
      deliver: (batch) => this.#deliver(peer, batch),
      everything: () => this.#ownReceiver().everything(),
      maxPending: this.#maxPending,
      clock: this.#clock,
    });
    const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    const peer: Peer = {
      id,
      base: `http://${name}:${port}`,
      queue,
      session: randomUUID(),
      challenge: UNKNOWN_CHALLENGE,
      exchanges: 0,
    };
    this.#peers.set(id, peer);
  }

  removePeer(id: string): void {
    this.#peers.get(id)?.queue.close();
    this.#peers.delete(id);
  }

  send(messages: readonly CoordinationMessage[], peer?: string): void {
    for (const one of this.#peers.values()) {
      if (peer === undefined || one.id === peer) for (const message of messages) one.queue.add(message);
    }
  }

  get pending(): number {
    let pending = 0;
    for (const { queue } of this.#peers.values()) pending += queue.pending;
    return pending;
  }

  status(): Record<string, PeerStatus> {
    return Object.fromEntries([...this.#peers.values()].map(({ id, queue }) => [id, queue.status]));
  }

  async exchange(id: string, question: DigestQuestion): Promise<DigestAnswer> {
    const peer = this.#peers.get(id);
    if (peer === undefined) throw new RangeError(`HttpTransport.exchange: there is no peer '${id}'`);
    const path = `${this.#path}/digest`;
    const body = Buffer.from(JSON.stringify(question));
    // Exchanges change nothing at the peer, so they are not part of the sequence of batches.
    const { response, envelope } = await this.#post(peer, path, `${peer.session}-x`, ++peer.exchanges, body);
    if (response.status >= 300) throw refused(peer, response);
    const answer = response.body;
    const signature = String(response.headers[HEADERS.signature] ?? '');
    if (this.#secret !== undefined && !isSigned(this.#secret, `${path}/answer`, envelope, answer, signature)) {
      throw new ResilienceError('UPSTREAM_INVALID', `the response of peer ${id} is not signed by it`);
    }
    return parseDigestAnswer(JSON.parse(answer.toString('utf8')));
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#peers.values()].map(({ queue }) => queue.whenIdle()));
  }

  close(): void {
    this.#receiver = undefined;
    this.#closing.abort();
    for (const { queue } of this.#peers.values()) queue.close();
    this.#agent.destroy();
  }

  async #deliver(peer: Peer, batch: Batch): Promise<'delivered' | 'refused'> {
    const path = `${this.#path}/messages`;
    const { response } = await this.#post(peer, path, peer.session, batch.sequence, batch.body);
    if (response.status >= 300) return 'refused';
    this.#receiver?.delivered?.(peer.id, batch.messages);
    return 'delivered';
  }

  /**
   * Posts, and repeats once if the peer has a new challenge, because it was restarted or is contacted for the first
   * time.
   */
  async #post(
    peer: Peer,
    path: string,
    session: string,
    sequence: number,
    body: Buffer,
  ): Promise<{ response: PeerResponse; envelope: Envelope }> {
    for (let attempt = 1; ; attempt++) {
      const envelope: Envelope = {
        origin: this.#ownReceiver().serviceId,
        session,
        sequence,
        challenge: peer.challenge,
      };
      const response = await this.#request(peer, path, envelope, body);
      if (response.status < 300 || UNREADABLE.includes(response.status)) return { response, envelope };
      if (response.status !== 409 || attempt === 2) throw refused(peer, response);
      peer.challenge = challengeOf(response) ?? UNKNOWN_CHALLENGE;
    }
  }

  async #request(peer: Peer, path: string, envelope: Envelope, body: Buffer): Promise<PeerResponse> {
    const late = new AbortController();
    const timer = startTimer(this.#clock, () => late.abort(), this.#timeout);
    try {
      const response = await sendRequest(peer.base + path, {
        method: 'POST',
        body,
        agent: this.#agent,
        signal: AbortSignal.any([late.signal, this.#closing.signal]),
        headers: {
          'Content-Type': CONTENT_TYPE,
          [HEADERS.origin]: envelope.origin,
          [HEADERS.session]: envelope.session,
          [HEADERS.sequence]: String(envelope.sequence),
          [HEADERS.challenge]: envelope.challenge,
          [HEADERS.signature]: this.#secret === undefined ? 'none' : sign(this.#secret, path, envelope, body),
        },
      });
      const { statusCode: status = 0, headers } = response;
      return { status, headers, body: await readBody(response, 2 * MAX_BYTES) };
    } catch (error) {
      if (!late.signal.aborted) throw error;
      throw new ResilienceError('UPSTREAM_TIMEOUT', `peer ${peer.id} did not answer within ${this.#timeout} ms`);
    } finally {
      timer.cancel();
    }
  }

  #ownReceiver(): CoordinationReceiver {
    if (this.#receiver === undefined) throw new ResilienceError('SHUTTING_DOWN', 'the transport is closed');
    return this.#receiver;
  }
}

function challengeOf(response: PeerResponse): string | undefined {
  try {
    const { challenge } = JSON.parse(response.body.toString('utf8')) as { challenge?: unknown };
    return typeof challenge === 'string' && challenge.length <= 256 ? challenge : undefined;
  } catch {
    return undefined;
  }
}

function refused(peer: Peer, response: PeerResponse): ResilienceError {
  return new ResilienceError('UPSTREAM_INVALID', `peer ${peer.id} answered ${response.status}`);
}
