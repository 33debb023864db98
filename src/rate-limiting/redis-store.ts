/** Buckets in Redis, shared by any number of processes: one script, one round trip, the server's clock. */
import { randomUUID } from 'node:crypto';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { checkOptions } from '../shared/options.js';
import { withinTimeout } from './answer-timeout.js';
import { scriptClient } from './node-redis.js';
import { microseconds, type Quota } from './quota.js';
import { clusterPrefix, differOnlyInKeys, distribute, HASH_TAG, type Operation } from './redis-operations.js';
import { BUCKET_SCRIPT, INSTANCES_SCRIPT, RESET_SCRIPT, sha1 } from './redis-script.js';
import { DECLARED_FOR, quotaText } from './quota-watch.js';
import { REDIS_OPTIONS, type RedisScriptClient, type RedisStoreOptions } from './redis-options.js';
import { namespaceOf, ServerStore, storeError, type OperationName, type Outcome, type Part } from './server-store.js';
import { monotonicMicroseconds, ServerTime } from './server-time.js';
import { cannotResetAll } from './store-faults.js';
import { signedWindow } from './windows.js';

/** The error of a call. */
const unavailable = (why: string, cause?: unknown): Error => storeError('RedisStore', why, cause);

const BUCKET_SHA = sha1(BUCKET_SCRIPT);
const INSTANCES_SHA = sha1(INSTANCES_SCRIPT);
const RESET_SHA = sha1(RESET_SCRIPT);
/** Milliseconds for one step of `resetAll`. */
const RESET_TIMEOUT = 5_000;
/** Operations in one script: more would keep other commands waiting for a noticeable time. */
const LARGEST_BATCH = 100;
const COUNT_EVERY = 5_000;
const FORGET_AFTER = 15_000;
/** Milliseconds of counting after which the number is believed: every process that runs has been heard of. */
const COUNTED_AFTER = 2 * COUNT_EVERY;

/**
 * Keeps buckets in Redis 5 or later, or Valkey. Decisions of one turn of the event loop travel as one script call.
 *
 * A decision that fails, or takes longer than `timeout`, rejects. A command that reaches the server after its time does
 * nothing there, even if a client resends it late: a rejected decision has happened already or never will.
 *
 * @example
 * import { rateLimit } from '@tooloo/resilience';
 * import { RedisStore } from '@tooloo/resilience/redis';
 *
 * app.use(rateLimit({ store: new RedisStore({ client: redis }), rateLimit: 100, refillRate: 10 }));
 */
export class RedisStore extends ServerStore {
  readonly #client: RedisScriptClient;
  readonly #prefix: string;
  readonly #timeout: number;
  readonly #clock: Clock | undefined;
  readonly #batches: boolean;
  readonly #policyPrefixes = new WeakMap<Quota, string>();
  readonly #id = randomUUID();
  readonly namespace: object;
  #instances: number;
  readonly #maxInstances: number;
  readonly #countsInstances: boolean;
  /** When the first count arrived. */
  #countedSince = Infinity;
  #countedAt = -Infinity;
  #pending: Operation[] = [];
  #closed = false;
  readonly #serverTime = new ServerTime();

  /** @throws TypeError, RangeError for an option that is missing, unknown, mistyped or out of range */
  constructor(options: RedisStoreOptions) {
    super();
    const checked = checkOptions('RedisStore', options, REDIS_OPTIONS);
    if (checked.client === undefined) throw new TypeError("RedisStore: option 'client' is required");
    this.#client = scriptClient(checked.client);
    const isCluster = this.#client.isCluster === true;
    const { prefix = '{rate-limit}:', spread = false } = checked;
    this.#prefix = isCluster ? clusterPrefix(prefix, spread) : prefix;
    this.namespace = namespaceOf(checked.client, this.#prefix);
    this.#maxInstances = checked.maxInstances ?? 4;
    this.#timeout = checked.timeout ?? 20;
    this.#clock = checked.clock;
    this.#countsInstances = (checked.instances ?? 'auto') === 'auto';
    this.#instances = typeof checked.instances === 'number' ? checked.instances : 1;
    this.#batches = !isCluster || HASH_TAG.test(this.#prefix);
  }

  /**
   * Processes that used the store in the last quarter of a minute, this one included, or the number given. Before that
   * is known, and while the fleet may still be starting, at least `maxInstances`.
   */
  get instances(): number {
    if (!this.#countsInstances) return this.#instances;
    const isKnown = monotonicClock.now() - this.#countedSince >= COUNTED_AFTER;
    return isKnown ? this.#instances : Math.max(this.#instances, this.#maxInstances);
  }

  /** As `RateLimitStore.declare`. The limits in use are a sorted set beside the buckets. */
  async declare(quota: Quota): Promise<number> {
    const refusal = this.#unusable();
    if (refusal !== undefined) throw unavailable(refusal);
    const key = `${this.#prefix}q:${encodeURIComponent(quota.name)}`;
    return Number(await this.#call(INSTANCES_SCRIPT, INSTANCES_SHA, 1, [key, quotaText(quota), DECLARED_FOR]));
  }

  /**
   * Deletes the buckets of a policy, step by step; decisions go on meanwhile.
   *
   * @throws ResilienceError (as a rejection) NOT_CONFIGURED where the buckets are spread over a cluster
   */
  async resetAll(policy: string): Promise<void> {
    if (!this.#batches) throw cannotResetAll('its buckets are spread over the slots of a cluster');
    const refusal = this.#unusable();
    if (refusal !== undefined) throw unavailable(refusal);
    const late = (): Error => unavailable(`no answer within ${RESET_TIMEOUT} ms`);
    const prefix = this.#prefixOf(policy);
    let cursor = '0';
    do {
      const step = this.#call(RESET_SCRIPT, RESET_SHA, 1, [prefix, cursor]);
      try {
        cursor = String(await withinTimeout(step, RESET_TIMEOUT, late));
      } catch (error) {
        throw unavailable('the script failed', error);
      }
    } while (cursor !== '0');
  }

  /** Refuses what has not been sent. The client stays open: it is the caller's. */
  close(): void {
    this.#closed = true;
    for (const operation of this.#pending.splice(0)) operation.reject(unavailable('the store is closed'));
  }

  /** @internal */
  protected run(name: OperationName, parts: readonly Part[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const refusal = this.#unusable();
      if (refusal !== undefined) return reject(unavailable(refusal));
      const operation: Operation = { name, parts, resolve, reject };
      if (!this.#batches) return void this.#send([operation]);
      this.#pending.push(operation);
      // Requests that arrived together are handled one after the other, and this comes after the last of them.
      if (this.#pending.length === 1) setImmediate(() => this.#flush());
      if (this.#pending.length >= LARGEST_BATCH) this.#flush();
    });
  }

  /** Why nothing can be sent now. A client that is not connected would queue commands and charge them later. */
  #unusable(): string | undefined {
    if (this.#closed) return 'the store is closed';
    const { status } = this.#client;
    if (status === undefined || status === 'ready') return undefined;
    if (status === 'wait') this.#client.connect?.().catch(() => undefined); // lazyConnect: somebody has to ask
    return `the connection is not ready (${status})`;
  }

  #flush(): void {
    const batch = this.#pending;
    this.#pending = [];
    if (batch.length > 0) void this.#send(batch);
  }

  async #send(batch: readonly Operation[]): Promise<void> {
    this.#countInstances();
    const sent = monotonicMicroseconds();
    const late = (): Error => unavailable(`no answer within ${this.#timeout} ms`);
    try {
      const call = this.#call(BUCKET_SCRIPT, BUCKET_SHA, ...this.#encode(batch, sent)) as Promise<number[]>;
      const reply = await withinTimeout(call, this.#timeout, late);
      this.#serverTime.learn(reply[0]!, sent);
      if (reply.length === 1) throw unavailable(`the decision took longer than ${this.#timeout} ms`);
      distribute(batch, reply);
    } catch (error) {
      for (const operation of batch) operation.reject(unavailable('the script failed', error));
    }
  }

  #encode(batch: readonly Operation[], sent: number): [keys: number, args: (string | number)[]] {
    const keys: string[] = [];
    const args: (string | number)[] = [this.#clock === undefined ? 0 : microseconds(this.#clock.now())];
    args.push(this.#clock === undefined ? this.#serverTime.deadline(sent, this.#timeout * 1000) : 0);
    for (let from = 0; from < batch.length;) {
      const first = batch[from]!;
      let to = from + 1;
      while (to < batch.length && differOnlyInKeys(first, batch[to]!)) to++;
      args.push(first.name, to - from, first.parts.length);
      for (const { quota, units } of first.parts) {
        args.push(quota.capacity, quota.unitsPerMicrosecond, quota.unitsPerToken, signedWindow(quota), units);
      }
      for (; from < to; from++) {
        for (const { key, quota } of batch[from]!.parts) keys.push(this.#policyPrefix(quota) + key);
      }
    }
    return [keys.length, [...keys, ...args]];
  }

  /** NOSCRIPT (a server that was restarted) is the only error replayed: it alone says that nothing has happened. */
  async #call(script: string, sha: string, keys: number, args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#client.evalsha(sha, keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await this.#client.eval(script, keys, ...args);
    }
  }

  /** In the background and not in each decision: it is only needed when the server is gone. */
  #countInstances(): void {
    const now = monotonicClock.now();
    if (!this.#countsInstances || now - this.#countedAt < COUNT_EVERY) return;
    this.#countedAt = now;
    this.#call(INSTANCES_SCRIPT, INSTANCES_SHA, 1, [`${this.#prefix}instances`, this.#id, FORGET_AFTER])
      .then((instances) => {
        this.#instances = Math.max(1, Number(instances));
        if (this.#countedSince === Infinity) this.#countedSince = now;
      })
      .catch(() => undefined); // the decision itself reports what is wrong
  }

  #policyPrefix(quota: Quota): string {
    let prefix = this.#policyPrefixes.get(quota);
    if (prefix === undefined) {
      prefix = this.#prefixOf(quota.name);
      this.#policyPrefixes.set(quota, prefix);
    }
    return prefix;
  }

  #prefixOf(policy: string): string {
    return `${this.#prefix}b:${encodeURIComponent(policy)}:`; // encoded, a name holds no colon
  }
}
