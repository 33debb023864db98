/** Messages through a Redis stream: everybody reads it at their own pace, and catches up on what they missed. */
import { randomUUID } from 'node:crypto';
import { Backoff } from '../../shared/backoff.js';
import { monotonicClock, sleep, type Clock } from '../../shared/clock.js';
import { ResilienceError } from '../../shared/errors.js';
import type { Middleware } from '../../shared/http.js';
import { checkOptions, clock as clockCheck, count, having, number, string } from '../../shared/options.js';
import { RedisLink, type RedisCacheClient } from '../redis-link.js';
import { parseMessages, type CoordinationMessage } from './messages.js';
import { PeerQueue, type Batch } from './peer-queue.js';
import { SequenceGuard, isSigned, sign, type Envelope } from './signature.js';
import type { CoordinationReceiver, CoordinatorTransport, PeerStatus } from './transport.js';

/** What the transport uses of an ioredis `Redis`. */
export interface RedisStreamClient extends RedisCacheClient {
  /** Another connection like this one, for reading that blocks. The transport closes it. */
  duplicate(options: Record<string, unknown>): RedisStreamReader;
}

export interface RedisStreamReader {
  call(command: string, args: (string | number)[]): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  disconnect(): void;
}

/** The client, the stream and how long messages are kept in it. */
export interface RedisTransportOptions {
  /** The caller's client. The transport never closes it. */
  readonly client: RedisStreamClient;
  /** Key of the stream. Default 'cache:invalidations'. */
  readonly stream?: string;
  /** Batches the stream keeps. Who was away for more of them than that empties its cache. Default 100 000. */
  readonly maxLength?: number;
  /**
   * Names this process across restarts: where it stopped reading is kept in Redis under it. Needed where the cache
   * survives restarts (a layer on disk). Default: reading begins with what is published from now on.
   */
  readonly consumer?: string;
  /** Shared by all services. With it, what is not signed by one of them is ignored. Default: whoever writes to Redis is believed. */
  readonly secret?: string;
  /** Milliseconds a command may take. Default 1000. */
  readonly timeout?: number;
  /** Messages kept while Redis is away; more become one that invalidates everything. Default 10 000. */
  readonly maxPending?: number;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

type StreamEntry = [id: string, fields: string[]];

/** Who reads the stream is not known: the stream itself is the peer that confirms. */
const PEER = 'redis';
const BEGINNING = '0-0';
/** Milliseconds a read waits for news before it asks anew. */
const BLOCK = 2000;
const BATCHES_A_READ = 100;

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
    this.#queue = new PeerQueue({
      deliver: (batch) => this.#append(batch),
      everything: () => this.#ownReceiver().everything(),
      maxPending: checked.maxPending ?? 10_000,
      clock: this.#clock,
    });
  }

  start(receiver: CoordinationReceiver): void {
    this.#receiver = receiver;
    // A read that is cut off must fail, not be repeated or forgotten: only then is it asked what was lost with it.
    this.#reader = this.#client.duplicate({ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 });
    this.#reader.on('error', () => undefined); // what fails is seen, and tried again, where it is asked for
    void this.#readForever(this.#reader);
  }

  /** Who reads the stream hears: nobody needs to be registered. */
  addPeer(): void {
    // The stream is the peer.
  }

  removePeer(): void {
    // Nobody was added.
  }

  send(messages: readonly CoordinationMessage[]): void {
    for (const message of messages) this.#queue.add(message);
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

  /** Everybody who holds the secret may read the stream: there is no one receiver to name a challenge. */
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
        isSuspect = true; // the connection was lost, perhaps Redis with it: is what follows still there?
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

  /** Where to read on; where what came after it is lost, everything may be outdated. */
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

  /** What cannot be read, or was not signed, is passed over. */
  async #apply(fields: readonly string[]): Promise<void> {
    const field = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
    const envelope = this.#envelope(field('o'), field('s'), Number(field('n')));
    if (envelope.session === this.#session || !this.#guard.isNew(envelope)) return;
    const body = Buffer.from(field('m'));
    if (this.#secret !== undefined && !isSigned(this.#secret, this.#stream, envelope, body, field('h'))) return;
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

/** The entries of the one stream asked for: in a list of streams (RESP2), or after its name in a flattened map (RESP3). */
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

/** Stream ids are two numbers: milliseconds, and a count within them. */
function compareIds(a: string, b: string): number {
  const [aTime = 0, aCount = 0] = a.split('-').map(Number);
  const [bTime = 0, bCount = 0] = b.split('-').map(Number);
  return aTime - bTime || aCount - bCount;
}
