/** One truth for the caches of several services: what one publishes as outdated is gone from all of them. */
import { randomUUID } from 'node:crypto';
import { monotonicClock, wallClock, type Clock } from '../../shared/clock.js';
import { messageOf } from '../../shared/errors.js';
import type { Middleware } from '../../shared/http.js';
import {
  anyOf,
  array,
  checkOptions,
  checkValue,
  clock as clockCheck,
  count,
  func,
  having,
  oneOf,
  string,
} from '../../shared/options.js';
import type { TagInvalidation } from '../cache-layer.js';
import { compilePattern, exactKey, type KeyPattern } from '../key-pattern.js';
import type { MultiLayerCacheManager } from '../multi-layer-cache-manager.js';
import { PatternListeners, type InvalidationListener } from '../pattern-listeners.js';
import { decodeValue, encodeValue } from '../value-codec.js';
import {
  resolverOf,
  type CacheVersion,
  type ConflictResolution,
  type ConflictResolver,
} from './conflict-resolution.js';
import type { CoherenceFigures, CoherenceReport, CoordinationStatus, PeerCoherence } from './coordination-status.js';
import { DeliveryLog, type InvalidationDelivery } from './delivery-log.js';
import { HttpTransport } from './http-transport.js';
import { HybridClock, compareStamps } from './hybrid-clock.js';
import {
  BUCKETS,
  MAX_BATCH,
  everything,
  serviceOf,
  type CoordinationMessage,
  type DigestAnswer,
  type InvalidationKind,
} from './messages.js';
import type { CoordinatorTransport, PeerStatus } from './transport.js';
import { VersionLog } from './version-log.js';

/** How messages travel, who may send them, and who wins. */
export interface DistributedCacheCoordinatorOptions {
  /** Default: HTTP, with this `secret`. */
  readonly transport?: CoordinatorTransport;
  /** Whose value stands where two services give one key a value. An invalidation always stands. Default 'latest-write-wins'. */
  readonly conflictResolution?: ConflictResolution;
  /** For 'service-priority': service names, the most trusted first. */
  readonly servicePriority?: readonly string[];
  /** Shared by all services; for the default transport. Without one only programs on this machine are believed. */
  readonly secret?: string;
  /** Default: the machine's wall clock. It may be wrong: no clock decides whether an invalidation is applied. */
  readonly clock?: Clock;
}

/** Bytes of a value that travels with its message; of a larger one only the invalidation does. */
const MAX_VALUE = 128 * 1024;
const COMPRESSED_FROM = 1024;
/** Deliveries told. */
const SHOWN = 20;

export class DistributedCacheCoordinator {
  readonly serviceId: string;
  readonly #cache: MultiLayerCacheManager;
  readonly #transport: CoordinatorTransport;
  readonly #resolve: ConflictResolver;
  readonly #clock: HybridClock;
  readonly #log = new VersionLog();
  readonly #deliveries = new DeliveryLog();
  readonly #wall: Clock;
  readonly #elapsed: Clock;
  #lastCheck: CoherenceFigures['lastCheck'];
  readonly #origin: string;
  readonly #subscriptions = new PatternListeners<[origin: string]>(
    'DistributedCacheCoordinator.subscribeToInvalidations',
  );
  readonly #handlers = new PatternListeners<[origin: string]>('DistributedCacheCoordinator.onRemoteInvalidation');
  readonly #stats = { published: 0, received: 0, applied: 0, duplicates: 0, conflicts: 0, repaired: 0 };
  #isDestroyed = false;

  /**
   * @param cache whose values are kept coherent
   * @param serviceId names this service to the others; several processes of one service may share it
   * @throws TypeError or RangeError for an unknown option or a value out of range
   */
  constructor(cache: MultiLayerCacheManager, serviceId: string, options: DistributedCacheCoordinatorOptions = {}) {
    const checked = checkOptions('DistributedCacheCoordinator', options, {
      transport: having('a transport', 'start', 'send', 'addPeer', 'removePeer', 'status'),
      conflictResolution: anyOf(oneOf('latest-write-wins', 'local-wins', 'service-priority'), func),
      servicePriority: array,
      secret: string,
      clock: clockCheck,
    });
    checkValue(
      'DistributedCacheCoordinator: cache',
      cache,
      having('a cache manager', 'invalidate', 'invalidatePattern'),
    );
    checkValue('DistributedCacheCoordinator: serviceId', serviceId, string);
    this.serviceId = serviceId;
    this.#cache = cache;
    this.#origin = `${serviceId}#${randomUUID().slice(0, 8)}`;
    this.#wall = checked.clock ?? wallClock;
    this.#elapsed = checked.clock ?? monotonicClock;
    this.#clock = new HybridClock(this.#wall);
    this.#resolve = resolverOf(checked.conflictResolution ?? 'latest-write-wins', checked.servicePriority ?? []);
    this.#transport = checked.transport ?? new HttpTransport({ secret: checked.secret });
    void this.#transport.start({
      serviceId,
      receive: (messages) => this.#receive(messages),
      delivered: (peer, messages) => this.#deliveries.confirmed(peer, messages, this.#elapsed.now()),
      compare: ({ digest, from }) => ({ digest: this.#log.digest(), ...this.#log.differing(digest, from, MAX_BATCH) }),
      everything: () => everything(this.#origin, this.#clock.tick()),
    });
  }

  /** What peers post to: mount it before any body parser, at the root. Passes on what is not for it. */
  get router(): Middleware {
    return this.#transport.router;
  }

  /** Another process to tell and to hear. Registering a name again replaces its address. */
  registerPeer(id: string, host: string, port: number): void {
    this.#transport.addPeer(id, host, port);
  }

  /** A process that is gone for good: what it has yet to hear is dropped. One that comes back compares, see `checkCoherence`. */
  unregisterPeer(id: string): void {
    this.#transport.removePeer(id);
    this.#deliveries.forget(id);
  }

  /**
   * Invalidates a key, or with `*` a pattern, here and in every service. With a value, the key has it from now on, here
   * and wherever nothing else stands against it.
   *
   * Settles when it is done here; delivery goes on in the background until every peer has heard, see `flush`.
   */
  async publishInvalidation(key: string, value?: unknown): Promise<void> {
    const kind = key.includes('*') ? 'pattern' : 'key';
    const carried = kind === 'key' && value !== undefined ? encodeForTransport(value) : undefined;
    this.#publish({ kind, name: key, ...(carried !== undefined && { value: carried }) });
    if (kind === 'pattern') await this.#cache.invalidatePattern(key, { by: this.#origin });
    else if (value === undefined) await this.#cache.invalidate(key, { by: this.#origin });
    else await this.#cache.set(key, value);
  }

  /** Invalidates what carries the tag, here and in every service. */
  async publishTagInvalidation(tag: string, { soft = false }: TagInvalidation = {}): Promise<void> {
    this.#publish({ kind: 'tag', name: tag, ...(soft && { soft }) });
    await this.#cache.invalidateTag(tag, { soft, by: this.#origin });
  }

  /**
   * Applies what others publish about keys of this pattern, and calls back when that is done. Without any subscription
   * everything is applied; tags always are.
   *
   * @returns what ends it
   */
  subscribeToInvalidations(pattern: string, callback?: InvalidationListener<[origin: string]>): () => void {
    return this.#subscriptions.add(pattern, callback ?? (() => undefined));
  }

  /** Calls back when another service has invalidated the key, or what matches the pattern, and it is done here. Returns what ends it. */
  onRemoteInvalidation(key: string, handler: InvalidationListener<[origin: string]>): () => void {
    return this.#handlers.add(key, handler);
  }

  /** The version that stands, by this coordinator's strategy. */
  resolveConflict(key: string, localVersion: CacheVersion, remoteVersion: CacheVersion): CacheVersion {
    return this.#resolve(key, localVersion, remoteVersion);
  }

  getCoordinationStatus(): CoordinationStatus {
    const peerStatus = this.#transport.status();
    return {
      serviceId: this.serviceId,
      peers: Object.keys(peerStatus),
      pendingInvalidations: this.#transport.pending,
      peerStatus,
      stats: { ...this.#stats },
      coherence: this.#coherence(Object.values(peerStatus)),
    };
  }

  /**
   * The last invalidations published here and how long each peer took to confirm them, the latest first. Names are shown as
   * the cache shows them. Through Redis, the one that confirms is Redis.
   *
   * @param limit 20 unless told, at most 100
   */
  recentDeliveries(limit = SHOWN): readonly InvalidationDelivery[] {
    checkValue('DistributedCacheCoordinator.recentDeliveries: limit', limit, count());
    return this.#deliveries.recent(limit, (name) => this.#cache.shownName(name));
  }

  /**
   * Compares with every peer what each has heard, and repairs: what was missed here is applied, what was missed there
   * is sent. Never rejects: a peer that cannot be reached is reported as such.
   */
  async checkCoherence(): Promise<CoherenceReport> {
    const ids = this.#transport.exchange === undefined ? [] : Object.keys(this.#transport.status());
    const reports = await Promise.all(ids.map((id) => this.#compareWith(id)));
    const isCoherent = reports.every((one) => one.isReachable && one.missedHere + one.missedThere === 0);
    if (ids.length > 0) this.#lastCheck = { at: this.#wall.now(), isCoherent };
    return {
      isCoherent,
      peers: Object.fromEntries(ids.map((id, i) => [id, reports[i]!])),
    };
  }

  /** Settles when every peer has heard everything published so far. */
  flush(): Promise<void> {
    return this.#transport.flush();
  }

  /** Ends deliveries and subscriptions. The cache stays its owner's. Idempotent. */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#subscriptions.clear();
    this.#handlers.clear();
    void this.#transport.close();
  }

  close(): void {
    this.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  #publish(about: {
    kind: InvalidationKind;
    name: string;
    soft?: boolean;
    value?: CoordinationMessage['value'];
  }): void {
    const message: CoordinationMessage = { ...about, origin: this.#origin, stamp: this.#clock.tick() };
    this.#stats.published++;
    this.#log.note(message);
    this.#deliveries.published(message, Object.keys(this.#transport.status()), this.#elapsed.now());
    this.#transport.send([message]);
  }

  #coherence(peers: readonly PeerStatus[]): CoherenceFigures {
    return {
      upToDate: peers.filter(({ state, pending }) => state !== 'down' && pending === 0).length,
      peers: peers.length,
      oldestPending: Math.max(0, ...peers.map(({ pendingFor = 0 }) => pendingFor)),
      delays: this.#deliveries.delays(),
      lastCheck: this.#lastCheck,
    };
  }

  async #receive(messages: readonly CoordinationMessage[]): Promise<void> {
    for (const message of messages) {
      this.#stats.received++;
      this.#clock.hear(message.stamp);
      if (this.#log.knows(message)) this.#stats.duplicates++;
      else await this.#apply(message);
    }
  }

  /** An invalidation is applied whatever its stamp says: a clock that is behind makes it no older than it is. */
  async #apply(message: CoordinationMessage): Promise<void> {
    const name = message.kind === 'pattern' ? compilePattern(message.name) : exactKey(message.name);
    const by = message.origin;
    if (message.kind === 'tag') await this.#cache.invalidateTag(message.name, { soft: message.soft === true, by });
    else if (this.#isWanted(name)) await this.#applyToKeys(message, name);
    this.#log.note(message);
  }

  async #applyToKeys(message: CoordinationMessage, name: KeyPattern): Promise<void> {
    const by = message.origin;
    if (message.kind === 'pattern') await this.#cache.invalidatePattern(message.name, { by });
    else if (message.value === undefined) await this.#cache.invalidate(message.name, { by });
    else await this.#applyValue(message, decodeValue(Buffer.from(message.value.data, 'base64'), message.value.format));
    this.#stats.applied++;
    this.#subscriptions.emit(name, serviceOf(message.origin));
    this.#handlers.emit(name, serviceOf(message.origin));
  }

  /** A value older than an invalidation that is known here would bring back what is gone: no strategy decides that. */
  async #applyValue({ name: key, stamp, origin }: CoordinationMessage, value: unknown): Promise<void> {
    const known = this.#log.latest(key);
    const isGone = known !== undefined && known.hadValue !== true && compareStamps(known.stamp, stamp) > 0;
    if (isGone || this.#log.isCovered(key, stamp)) return;
    const held = await this.#cache.get(key);
    if (known === undefined && held === undefined) return this.#cache.set(key, value);
    this.#stats.conflicts++;
    const local: CacheVersion = {
      timestamp: known?.stamp.time ?? 0,
      counter: known?.stamp.count ?? 0,
      serviceId: known === undefined ? this.serviceId : serviceOf(known.origin),
      value: held,
    };
    const remote: CacheVersion = { timestamp: stamp.time, counter: stamp.count, serviceId: serviceOf(origin), value };
    const winner = this.#resolve(key, local, remote);
    if (winner !== local) await this.#cache.set(key, winner.value);
  }

  #isWanted(name: KeyPattern): boolean {
    return this.#subscriptions.size === 0 || this.#subscriptions.includes(name);
  }

  async #compareWith(peer: string): Promise<PeerCoherence> {
    let missedHere = 0;
    let missedThere = 0;
    try {
      for (let from = 0; from < BUCKETS;) {
        const answer = await this.#transport.exchange!(peer, { digest: this.#log.digest(), from });
        const here = answer.messages.filter((message) => !this.#log.knows(message));
        const there = this.#unknownTo(answer, from);
        await this.#receive(here);
        this.#transport.send(there, peer);
        missedHere += here.length;
        missedThere += there.length;
        this.#stats.repaired += here.length + there.length;
        from = Math.max(answer.next, from + 1);
      }
      return { isReachable: true, missedHere, missedThere };
    } catch (error) {
      return { isReachable: false, missedHere, missedThere, error: messageOf(error) };
    }
  }

  /** What is known here in the shares the answer is about, and is not among what the peer knows there. */
  #unknownTo({ digest, messages, next }: DigestAnswer, from: number): CoordinationMessage[] {
    const theirs = new VersionLog();
    for (const message of messages) theirs.note(message);
    return this.#log.inShares(digest, from, next).filter((message) => !theirs.knows(message));
  }
}

/** The value as text, if it can travel: what is too large or cannot be cloned stays, and only the invalidation goes. */
function encodeForTransport(value: unknown): CoordinationMessage['value'] {
  try {
    const { data, format } = encodeValue(value, COMPRESSED_FROM);
    const bytes = Buffer.from(data);
    return bytes.length > MAX_VALUE ? undefined : { data: bytes.toString('base64'), format };
  } catch {
    return undefined;
  }
}
