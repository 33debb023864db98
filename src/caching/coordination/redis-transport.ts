/**
 * Sends messages through a Redis stream: each process reads it at its own pace, and catches up on messages it missed.
 */
import { randomUUID } from 'node:crypto';
import { Backoff } from '../../shared/backoff.js';
import { monotonicClock, sleep, type Clock } from '../../shared/clock.js';
import { ResilienceError } from '../../shared/errors.js';
import type { Middleware } from '../../shared/http.js';
import { checkOptions, clock as clockCheck, count, func, having, number, string } from '../../shared/options.js';
import { callGuarded } from '../../shared/listeners.js';
import { RedisLink } from '../redis-link.js';
import { parseMessages, type CoordinationMessage } from './messages.js';
import { PeerQueue, type Batch } from './peer-queue.js';
import type { RedisStreamClient, RedisStreamReader } from './redis-stream-client.js';
import { SequenceGuard, isSigned, sign, type Envelope } from './signature.js';
import type { CoordinationReceiver, CoordinatorTransport, PeerStatus } from './transport.js';

/** The client, the stream, and how many messages it keeps. */
export interface RedisTransportOptions {
  /** The client of the caller. The transport never closes it. */
  readonly client: RedisStreamClient;
  /** Key of the stream. Default 'cache:invalidations'. */
  readonly stream?: string;
  /** Batches that the stream keeps. A process that missed more than that empties its cache. Default 100 000. */
  readonly maxLength?: number;
  /**
   * The name of this process across restarts: Redis stores the process's position in the stream under it. Needed if the
   * cache survives restarts (a disk layer). Default: reading begins with the next published message.
   */
  readonly consumer?: string;
  /**
   * Shared by all services. With it, batches that are not signed with it are ignored. Default: all batches in the
   * stream are trusted.
   */
  readonly secret?: string;
  /** Called for each batch that is ignored because its signature is wrong, with the name that the sender claims. */
  readonly onRefused?: (origin: string) => unknown;
  /** Milliseconds a command may take. Default 1000. */
  readonly timeout?: number;
  /**
   * The most messages kept while Redis is unavailable. More messages are replaced by one that invalidates everything.
   * Default 10 000.
   */
  readonly maxPending?: number;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

type StreamEntry = [id: string, fields: string[]];

/** The readers of the stream are not known, so the stream itself is the peer that confirms. */
const PEER = 'redis';
const BEGINNING = '0-0';
/** Milliseconds that one read waits for new messages. */
const BLOCK = 2000;
const BATCHES_A_READ = 100;

/**
 * Delivers the messages of coordinators through a Redis stream. Peers need not be registered.
 *
 * @example
 * import { DistributedCacheCoordinator } from '@tooloo/resilience';
 * import { RedisTransport } from '@tooloo/resilience/redis';
 *
 * const transport = new RedisTransport({ client: redis });
 * const coordinator = new DistributedCacheCoordinator(cache, 'orders-1', { transport });
 */
export class RedisTransport implements CoordinatorTransport {
  readonly router: Middleware = function noCoordinationRoutes(_req, _res, next) {
    next();
  };
  readonly #client: RedisStreamClient;
  readonly #link: RedisLink;
  readonly #stream: string;
  readonly #maxLength: number;
  readonly #consumer: string | undefined;
  readonly #secret: string | undefined;
  readonly #onRefused: ((origin: string) => unknown) | undefined;
  #refused = 0;
  readonly #clock: Clock;
  readonly #queue: PeerQueue;
  readonly #session = randomUUID();
  readonly #guard = new SequenceGuard();
  readonly #closing = new AbortController();
  #receiver: CoordinationReceiver | undefined;
  #reader: RedisStreamReader | undefined;
  /** The last entry that was applied; undefined until Redis was reached the first time. */
  #position: string | undefined;

  /** @throws TypeError or RangeError for an unknown option or a value out of range */
  constructor(options: RedisTransportOptions) {
    const checked = checkOptions('RedisTransport', options, {
      client: having('an ioredis client', 'call', 'callBuffer', 'duplicate'),
      stream: string,
      maxLength: count(),
      consumer: string,
      secret: string,
      onRefused: func,
      timeout: number({ min: 1 }),
      maxPending: count(),
      clock: clockCheck,
    });
    if (checked.client === undefined) throw new TypeError("RedisTransport: option 'client' is missing");
    this.#client = checked.client;
    this.#clock = checked.clock ?? monotonicClock;
    this.#link = new RedisLink(checked.client, checked.timeout ?? 1000, this.#clock, true);
    this.#stream = checked.stream ?? 'cache:invalidations';
    this.#maxLength = checked.maxLength ?? 100_000;
    this.#consumer = checked.consumer;
    this.#secret = checked.secret;
    this.#onRefused = checked.onRefused;
    this.#queue = new PeerQueue({
      deliver: (batch) => this.#append(batch),
      everything: () => this.#ownReceiver().everything(),
      maxPending: checked.maxPending ?? 10_000,
      clock: this.#clock,
    });
  }

  start(receiver: CoordinationReceiver): void {
    this.#receiver = receiver;
    // An interrupted read must fail and not be retried, because the check for lost messages runs only after a failure.
    this.#reader = this.#client.duplicate({ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 });
    this.#reader.on('error', () => undefined); // failures are handled by the calls themselves
    void this.#readForever(this.#reader);
  }

  /** Every reader of the stream receives the messages, so peers need no registration. */
  addPeer(): void {
    // The stream is the peer.
  }

  removePeer(): void {
    // Nobody was added.
  }

  send(messages: readonly CoordinationMessage[]): void {
    for (const message of messages) this.#queue.add(message);
  }

  /** Batches skipped since the start because their signature is invalid: their sender uses another secret. */
  get refused(): number {
    return this.#refused;
  }

  get pending(): number {
    return this.#queue.pending;
  }

  status(): Record<string, PeerStatus> {
    return { [PEER]: this.#queue.status };
  }

  flush(): Promise<void> {
    return this.#queue.whenIdle();
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#receiver = undefined;
    this.#closing.abort();
    this.#queue.close();
    this.#reader?.disconnect();
  }

  async #append(batch: Batch): Promise<'delivered'> {
    const envelope = this.#envelope(this.#ownReceiver().serviceId, this.#session, batch.sequence);
    const signature = this.#secret === undefined ? '' : sign(this.#secret, this.#stream, envelope, batch.body);
    const fields = ['o', envelope.origin, 's', envelope.session, 'n', envelope.sequence, 'h', signature, 'm'];
    const trim = ['MAXLEN', '~', this.#maxLength];
    await this.#link.command('XADD', this.#stream, ...trim, '*', ...fields, batch.body.toString('utf8'));
    this.#receiver?.delivered?.(PEER, batch.messages);
    return 'delivered';
  }

  /**
   * All processes with the secret may read the stream, so there is no single receiver whose challenge could be signed.
   */
  #envelope(origin: string, session: string, sequence: number): Envelope {
    return { origin, session, sequence, challenge: this.#stream };
  }

  async #readForever(reader: RedisStreamReader): Promise<void> {
    const backoff = new Backoff({ initial: 50, max: 250 });
    let isSuspect = true;
    while (!this.#closing.signal.aborted) {
      try {
        if (isSuspect) await this.#findPosition(reader);
        isSuspect = false;
        await this.#readOnce(reader);
        backoff.reset();
      } catch {
        isSuspect = true; // the connection was lost, so the following messages may be lost as well
        await sleep(this.#clock, backoff.next(), this.#closing.signal).catch(() => undefined);
      }
    }
  }

  async #readOnce(reader: RedisStreamReader): Promise<void> {
    const args = ['COUNT', BATCHES_A_READ, 'BLOCK', BLOCK, 'STREAMS', this.#stream, this.#position ?? BEGINNING];
    const entries = entriesOf(await reader.call('XREAD', args));
    for (const [id, fields] of entries) {
      await this.#apply(fields);
      this.#position = id;
    }
    if (entries.length > 0) await this.#keepPosition(reader);
  }

  /** The position from which to read. If messages after it are lost, everything may be outdated. */
  async #findPosition(reader: RedisStreamReader): Promise<void> {
    const last = await this.#lastId(reader);
    const kept = this.#consumer === undefined ? null : await reader.call('GET', [this.#positionKey()]);
    const position = this.#position ?? (typeof kept === 'string' ? kept : undefined);
    if (position === undefined) {
      this.#position = last;
      await this.#keepPosition(reader);
      return;
    }
    this.#position = position;
    if (compareIds(last, position) >= 0 && !(await this.#isTrimmedAfter(reader, position))) return;
    const receiver = this.#ownReceiver();
    await receiver.receive([receiver.everything()]);
    this.#position = compareIds(last, position) < 0 ? BEGINNING : position;
  }

  async #lastId(reader: RedisStreamReader): Promise<string> {
    const newest = (await reader.call('XREVRANGE', [this.#stream, '+', '-', 'COUNT', 1])) as StreamEntry[];
    return newest[0]?.[0] ?? BEGINNING;
  }

  /** A stream below its bound was never trimmed. */
  async #isTrimmedAfter(reader: RedisStreamReader, position: string): Promise<boolean> {
    if (Number(await reader.call('XLEN', [this.#stream])) < this.#maxLength) return false;
    const oldest = (await reader.call('XRANGE', [this.#stream, '-', '+', 'COUNT', 1])) as StreamEntry[];
    return oldest[0] === undefined || compareIds(oldest[0][0], position) > 0;
  }

  /** Batches that cannot be read or are not signed are skipped. */
  async #apply(fields: readonly string[]): Promise<void> {
    const field = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
    const envelope = this.#envelope(field('o'), field('s'), Number(field('n')));
    if (envelope.session === this.#session || !this.#guard.isNew(envelope)) return;
    const body = Buffer.from(field('m'));
    if (this.#secret !== undefined && !isSigned(this.#secret, this.#stream, envelope, body, field('h'))) {
      this.#refused++;
      if (this.#onRefused !== undefined) callGuarded('RedisTransport: onRefused', this.#onRefused, envelope.origin);
      return;
    }
    const messages = readMessages(body);
    if (messages !== undefined) await this.#ownReceiver().receive(messages);
    this.#guard.accept(envelope);
  }

  async #keepPosition(reader: RedisStreamReader): Promise<void> {
    if (this.#consumer !== undefined) await reader.call('SET', [this.#positionKey(), this.#position ?? BEGINNING]);
  }

  #positionKey(): string {
    return `${this.#stream}:position:${this.#consumer}`;
  }

  #ownReceiver(): CoordinationReceiver {
    if (this.#receiver === undefined) throw new ResilienceError('SHUTTING_DOWN', 'the transport is closed');
    return this.#receiver;
  }
}

/** The entries of the requested stream: in a list of streams (RESP2), or after its name in a flattened map (RESP3). */
function entriesOf(reply: unknown): StreamEntry[] {
  if (!Array.isArray(reply)) return [];
  const [first, second] = reply as unknown[];
  return (Array.isArray(first) ? first[1] : second) as StreamEntry[];
}

function readMessages(body: Buffer): CoordinationMessage[] | undefined {
  try {
    return parseMessages(JSON.parse(body.toString('utf8')));
  } catch {
    return undefined;
  }
}

/** A stream id has two numbers: milliseconds, and a count within them. */
function compareIds(a: string, b: string): number {
  const [aTime = 0, aCount = 0] = a.split('-').map(Number);
  const [bTime = 0, bCount = 0] = b.split('-').map(Number);
  return aTime - bTime || aCount - bCount;
}
