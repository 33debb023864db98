/** Buckets in Redis, shared by any number of processes: one script, one round trip, the server's clock. */
import { randomUUID } from 'node:crypto';
import { monotonicClock, startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import {
  anyOf,
  checkOptions,
  clock as clockCheck,
  count,
  having,
  oneOf,
  positive,
  string,
  type OptionChecks,
} from '../shared/options.js';
import { microseconds, refillTime, unitsOf, type Quota } from './quota.js';
import { BUCKET_SCRIPT, INSTANCES_SCRIPT, sha1 } from './redis-script.js';
import type { Charge, RateLimitStore } from './store.js';

/** What the store uses of a client: ioredis' `Redis` and `Cluster` are ones. */
export interface RedisScriptClient {
  evalsha(sha: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
  eval(script: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
  /** 'ready' when commands go out at once; others are not waited for. A client without it is taken to be ready. */
  readonly status?: string;
  readonly isCluster?: boolean;
  connect?(): Promise<unknown>;
}

/** The client, the keys and the deadline. */
export interface RedisStoreOptions {
  /** The caller's client. The store never closes it. */
  readonly client: RedisScriptClient;
  /**
   * Begins every key; '{rate-limit}:' unless told. The part in braces keeps all buckets in one slot of a cluster, so
   * that several policies can be charged as one. Limiters of one policy spread over the cluster with a prefix
   * without braces.
   */
  readonly prefix?: string;
  /** Milliseconds after which a decision is given up; 20 unless told. */
  readonly timeout?: number;
  /** Processes that share the store, for their part of the limit while it is away; 'auto' (counted) unless told. */
  readonly instances?: number | 'auto';
  /** Time the buckets refill by; the server's own unless told. For tests: processes' clocks differ. */
  readonly clock?: Clock;
}

const OPTIONS: OptionChecks<RedisStoreOptions> = {
  client: having('an ioredis client', 'evalsha', 'eval'),
  prefix: string,
  timeout: positive,
  instances: anyOf(count(), oneOf('auto')),
  clock: clockCheck,
};

const BUCKET_SHA = sha1(BUCKET_SCRIPT);
const INSTANCES_SHA = sha1(INSTANCES_SCRIPT);
/** Operations in one script: more would keep other commands waiting for a noticeable time. */
const LARGEST_BATCH = 100;
const COUNT_EVERY = 5_000;
const FORGET_AFTER = 15_000;
const HASH_TAG = /\{[^}]+\}/;

type OperationName = 'take' | 'refund' | 'write' | 'read';

/** A bucket's part of an operation. */
interface Part {
  readonly key: string;
  readonly quota: Quota;
  readonly units: number;
}

interface Operation {
  readonly name: OperationName;
  readonly parts: readonly Part[];
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

interface Outcome {
  readonly pays: boolean;
  readonly debts: readonly number[];
}

/**
 * Keeps token buckets in Redis 5 or later. Decisions of one turn of the event loop travel as one script call.
 *
 * A decision that fails, or takes longer than `timeout`, rejects; it then either happened or never will: a command
 * that reaches the server after its time does nothing there, however late a client resends it.
 */
export class RedisStore implements RateLimitStore {
  readonly #client: RedisScriptClient;
  readonly #prefix: string;
  readonly #timeout: number;
  readonly #clock: Clock | undefined;
  readonly #batches: boolean;
  readonly #policyPrefixes = new WeakMap<Quota, string>();
  readonly #id = randomUUID();
  #instances: number;
  readonly #countsInstances: boolean;
  #countedAt = -Infinity;
  #pending: Operation[] = [];
  #closed = false;
  /** The server's time less this process' monotonic one, in µs; undefined before the first reply. */
  #offset: number | undefined;

  /** @throws TypeError, RangeError for an option that is missing, unknown, mistyped or out of range */
  constructor(options: RedisStoreOptions) {
    const checked = checkOptions('RedisStore', options, OPTIONS);
    if (checked.client === undefined) throw new TypeError("RedisStore: option 'client' is required");
    this.#client = checked.client;
    this.#prefix = checked.prefix ?? '{rate-limit}:';
    this.#timeout = checked.timeout ?? 20;
    this.#clock = checked.clock;
    this.#countsInstances = (checked.instances ?? 'auto') === 'auto';
    this.#instances = typeof checked.instances === 'number' ? checked.instances : 1;
    this.#batches = this.#client.isCluster !== true || HASH_TAG.test(this.#prefix);
  }

  /** Processes that used the store in the last quarter of a minute, this one included, or the number given. */
  get instances(): number {
    return this.#instances;
  }

  async take(charges: readonly Charge[]): Promise<boolean> {
    const { pays, debts } = await this.#run('take', charges.map(partOf));
    for (let i = 0; i < charges.length; i++) report(charges[i]!, debts[i]!, pays);
    return pays;
  }

  async refund(charges: readonly Charge[]): Promise<void> {
    await this.#run('refund', charges.map(partOf));
  }

  async read(key: string, quota: Quota): Promise<number> {
    const { debts } = await this.#run('read', [{ key, quota, units: 0 }]);
    return (quota.capacity - debts[0]!) / quota.unitsPerToken;
  }

  async write(key: string, quota: Quota, tokens: number): Promise<void> {
    const debt = quota.capacity - Math.min(quota.capacity, Math.max(0, unitsOf(quota, tokens)));
    await this.#run('write', [{ key, quota, units: debt }]);
  }

  async reset(key: string, quota: Quota): Promise<void> {
    await this.#run('write', [{ key, quota, units: 0 }]);
  }

  /** Refuses what has not been sent. The client stays open: it is the caller's. */
  close(): void {
    this.#closed = true;
    for (const operation of this.#pending.splice(0)) operation.reject(unavailable('the store is closed'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #run(name: OperationName, parts: readonly Part[]): Promise<Outcome> {
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

  /** Why nothing can be sent now. What a client that is not connected queues would be charged after the fact. */
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
    const sent = this.#monotonic();
    try {
      const reply = await this.#withTimeout(this.#call(BUCKET_SCRIPT, BUCKET_SHA, ...this.#encode(batch, sent)));
      this.#learnOffset(reply[0]!, sent);
      if (reply.length === 1) throw unavailable(`the decision took longer than ${this.#timeout} ms`);
      distribute(batch, reply);
    } catch (error) {
      for (const operation of batch) operation.reject(unavailable('the script failed', error));
    }
  }

  #encode(batch: readonly Operation[], sent: number): [keys: number, args: (string | number)[]] {
    const keys: string[] = [];
    const args: (string | number)[] = [this.#clock === undefined ? 0 : microseconds(this.#clock.now())];
    const knowsServerTime = this.#clock === undefined && this.#offset !== undefined;
    args.push(knowsServerTime ? sent + this.#timeout * 1000 + this.#offset! : 0);
    for (let from = 0; from < batch.length;) {
      const first = batch[from]!;
      let to = from + 1;
      while (to < batch.length && differOnlyInKeys(first, batch[to]!)) to++;
      args.push(first.name, to - from, first.parts.length);
      for (const { quota, units } of first.parts) {
        args.push(quota.capacity, quota.unitsPerMicrosecond, quota.unitsPerToken, units);
      }
      for (; from < to; from++) {
        for (const { key, quota } of batch[from]!.parts) keys.push(this.#policyPrefix(quota) + key);
      }
    }
    return [keys.length, [...keys, ...args]];
  }

  /** NOSCRIPT (a server that was restarted) is the only error replayed: it alone says that nothing has happened. */
  async #call(script: string, sha: string, keys: number, args: readonly (string | number)[]): Promise<number[]> {
    try {
      return (await this.#client.evalsha(sha, keys, ...args)) as number[];
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return (await this.#client.eval(script, keys, ...args)) as number[];
    }
  }

  async #withTimeout<T>(work: Promise<T>): Promise<T> {
    let timer: { cancel(): void } | undefined;
    const timeout = new Promise<never>((_, reject) => {
      const late = (): void => reject(unavailable(`no answer within ${this.#timeout} ms`));
      // Timers run before sockets are read: after a pause of this process the answer may be there, only unread.
      timer = startTimer(monotonicClock, () => void setImmediate(late), this.#timeout);
    });
    try {
      return await Promise.race([work, timeout]);
    } finally {
      timer?.cancel();
    }
  }

  /**
   * The script ran between sending and receiving, so the offset lies between two bounds; the estimate is moved no
   * further than they ask. A server whose clock was set is followed at once.
   */
  #learnOffset(serverTime: number, sent: number): void {
    const least = serverTime - this.#monotonic();
    const most = serverTime - sent;
    this.#offset = Math.min(most, Math.max(least, this.#offset ?? least));
  }

  /** In the background and not in each decision: it is only needed when the server is gone. */
  #countInstances(): void {
    const now = monotonicClock.now();
    if (!this.#countsInstances || now - this.#countedAt < COUNT_EVERY) return;
    this.#countedAt = now;
    this.#call(INSTANCES_SCRIPT, INSTANCES_SHA, 1, [`${this.#prefix}instances`, this.#id, FORGET_AFTER])
      .then((instances) => {
        this.#instances = Math.max(1, Number(instances));
      })
      .catch(() => undefined); // the decision itself reports what is wrong
  }

  #monotonic(): number {
    return microseconds(monotonicClock.now());
  }

  #policyPrefix(quota: Quota): string {
    let prefix = this.#policyPrefixes.get(quota);
    if (prefix === undefined) {
      prefix = `${this.#prefix}b:${encodeURIComponent(quota.name)}:`; // encoded, a name holds no colon
      this.#policyPrefixes.set(quota, prefix);
    }
    return prefix;
  }
}

function partOf({ key, quota, cost }: Charge): Part {
  return { key, quota, units: unitsOf(quota, cost) };
}

function differOnlyInKeys(a: Operation, b: Operation): boolean {
  if (a.name !== b.name || a.parts.length !== b.parts.length) return false;
  return a.parts.every(({ quota, units }, i) => quota === b.parts[i]!.quota && units === b.parts[i]!.units);
}

function distribute(batch: readonly Operation[], reply: readonly number[]): void {
  let at = 1;
  for (const { parts, resolve } of batch) {
    const debts = reply.slice(at, at + parts.length);
    at += parts.length;
    // A debt that cannot be paid comes as −1 − debt.
    const pays = debts[0] === undefined || debts[0] >= 0;
    resolve({ pays, debts: pays ? debts : debts.map((debt) => -1 - debt) });
  }
}

function report(charge: Charge, debt: number, taken: boolean): void {
  const { quota, cost } = charge;
  const units = unitsOf(quota, cost);
  const short = taken ? 0 : debt + units - quota.capacity;
  charge.remaining = (quota.capacity - debt) / quota.unitsPerToken;
  charge.retryAfter = units > quota.capacity ? Infinity : refillTime(quota, short);
}

function unavailable(why: string, cause?: unknown): ResilienceError {
  if (ResilienceError.is(cause)) return cause;
  return new ResilienceError('STORE_UNAVAILABLE', `RedisStore: ${why}`, { cause });
}
