/**
 * Keeps the caches of several services consistent: an invalidation that one service publishes is applied in all of
 * them.
 */
import { randomUUID } from 'node:crypto';
import { monotonicClock, wallClock, type Clock } from '../../shared/clock.js';
import type { Middleware } from '../../shared/http.js';
import { checkValue, count, having, string } from '../../shared/options.js';
import type { TagInvalidation } from '../cache-layer.js';
import { compilePattern, exactKey, type KeyPattern } from '../key-pattern.js';
import type { MultiLayerCacheManager } from '../multi-layer-cache-manager.js';
import { PatternListeners, type InvalidationListener } from '../pattern-listeners.js';
import { decodeValue } from '../value-codec.js';
import { encodeForTransport } from './carried-value.js';
import { compareWith } from './coherence-check.js';
import { resolverOf, type CacheVersion, type ConflictResolver } from './conflict-resolution.js';
import { checkCoordinatorOptions, type DistributedCacheCoordinatorOptions } from './coordinator-options.js';
import type { CoherenceFigures, CoherenceReport, CoordinationStatus } from './coordination-status.js';
import { DeliveryLog, type InvalidationDelivery } from './delivery-log.js';
import { HttpTransport } from './http-transport.js';
import { HybridClock, compareStamps } from './hybrid-clock.js';
import { MAX_BATCH, everything, serviceOf, type CoordinationMessage, type InvalidationKind } from './messages.js';
import type { CoordinatorTransport, PeerStatus } from './transport.js';
import { VersionLog } from './version-log.js';

/** Deliveries returned by default. */
const SHOWN = 20;

/**
 * Sends invalidations to the caches of other services and applies the invalidations that they send.
 *
 * @example
 * import { DistributedCacheCoordinator } from '@tooloo/resilience';
 *
 * const coordinator = new DistributedCacheCoordinator(cache, 'orders-1');
 * app.use(coordinator.router);
 * coordinator.registerPeer('orders-2', '10.0.0.2', 3000);
 * await coordinator.publishInvalidation('user:42');
 */
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
   * @param cache the cache that is kept consistent
   * @param serviceId the name of this service for the others; several processes of one service may share it
   * @throws TypeError or RangeError for an unknown option or a value out of range
   */
  constructor(cache: MultiLayerCacheManager, serviceId: string, options: DistributedCacheCoordinatorOptions = {}) {
    const checked = checkCoordinatorOptions(options);
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
    this.#transport = checked.transport ?? new HttpTransport({ secret: checked.secret, control: checked.control });
    void this.#transport.start({
      serviceId,
      receive: (messages) => this.#receive(messages),
      delivered: (peer, messages) => this.#deliveries.confirmed(peer, messages, this.#elapsed.now()),
      compare: ({ digest, from }) => ({ digest: this.#log.digest(), ...this.#log.differing(digest, from, MAX_BATCH) }),
      everything: () => everything(this.#origin, this.#clock.tick()),
    });
  }

  /** The endpoint that peers post to. Mount it at the root, before any body parser. It passes on all other requests. */
  get router(): Middleware {
    return this.#transport.router;
  }

  /** Adds a peer: another process to exchange invalidations with. Registering a name again replaces its address. */
  registerPeer(id: string, host: string, port: number): void {
    this.#transport.addPeer(id, host, port);
  }

  /**
   * Removes a process that does not return, and drops its pending messages. If it does return, it compares its state
   * with its peers: see `checkCoherence`.
   */
  unregisterPeer(id: string): void {
    this.#transport.removePeer(id);
    this.#deliveries.forget(id);
  }

  /**
   * Invalidates a key, or with `*` a pattern, here and in every service. With a value, the key is set to it here, and
   * in the services that have no newer version of it.
   *
   * Settles when this is done here. Delivery continues in the background until every peer has confirmed, see `flush`.
   */
  async publishInvalidation(key: string, value?: unknown): Promise<void> {
    const kind = key.includes('*') ? 'pattern' : 'key';
    const carried = kind === 'key' && value !== undefined ? encodeForTransport(value) : undefined;
    this.#publish({ kind, name: key, ...(carried !== undefined && { value: carried }) });
    if (kind === 'pattern') await this.#cache.invalidatePattern(key, { by: this.#origin });
    else if (value === undefined) await this.#cache.invalidate(key, { by: this.#origin });
    else await this.#cache.set(key, value);
  }

  /** Invalidates all entries with the tag, here and in every service. */
  async publishTagInvalidation(tag: string, { soft = false }: TagInvalidation = {}): Promise<void> {
    this.#publish({ kind: 'tag', name: tag, ...(soft && { soft }) });
    await this.#cache.invalidateTag(tag, { soft, by: this.#origin });
  }

  /**
   * Applies the messages of other services about keys of this pattern, and calls back after that. Without any
   * subscription all messages are applied. Messages about tags always are.
   *
   * @returns a function that ends the subscription
   */
  subscribeToInvalidations(pattern: string, callback?: InvalidationListener<[origin: string]>): () => void {
    return this.#subscriptions.add(pattern, callback ?? (() => undefined));
  }

  /**
   * Calls back after another service has invalidated the key, or a key that matches the pattern, and this is done here.
   * Returns a function that ends the subscription.
   */
  onRemoteInvalidation(key: string, handler: InvalidationListener<[origin: string]>): () => void {
    return this.#handlers.add(key, handler);
  }

  /** The version to keep, by the strategy of this coordinator. */
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
   * The last invalidations published here and the time that each peer took to confirm them, newest first. Names have
   * the same form as in the cache's own lists. With the Redis transport, Redis itself confirms.
   *
   * @param limit default 20, at most 100
   */
  recentDeliveries(limit = SHOWN): readonly InvalidationDelivery[] {
    checkValue('DistributedCacheCoordinator.recentDeliveries: limit', limit, count());
    return this.#deliveries.recent(limit, (name) => this.#cache.shownName(name));
  }

  /**
   * Compares with every peer the messages that each has received, and repairs the difference: messages missed here are
   * applied, messages missed there are sent. Never rejects: an unreachable peer is reported as such.
   */
  async checkCoherence(): Promise<CoherenceReport> {
    const ids = this.#transport.exchange === undefined ? [] : Object.keys(this.#transport.status());
    const own = {
      log: this.#log,
      transport: this.#transport,
      receive: (messages: readonly CoordinationMessage[]) => this.#receive(messages),
    };
    const reports = await Promise.all(ids.map((id) => compareWith(id, own)));
    for (const { missedHere, missedThere } of reports) this.#stats.repaired += missedHere + missedThere;
    const isCoherent = reports.every((one) => one.isReachable && one.missedHere + one.missedThere === 0);
    if (ids.length > 0) this.#lastCheck = { at: this.#wall.now(), isCoherent };
    return {
      isCoherent,
      peers: Object.fromEntries(ids.map((id, i) => [id, reports[i]!])),
    };
  }

  /** Settles when every peer has confirmed all messages published so far. */
  flush(): Promise<void> {
    return this.#transport.flush();
  }

  /** Ends deliveries and subscriptions. The owner of the cache closes it. Idempotent. */
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

  /**
   * Invalidations are applied regardless of their stamp: a clock that is behind does not make an invalidation older.
   */
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

  /** A value older than a known invalidation would restore an invalidated entry, so no strategy may choose it. */
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
}
