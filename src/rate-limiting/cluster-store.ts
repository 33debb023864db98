/** Buckets shared by the processes of Node's cluster: the primary process keeps them, and decides for all. */
import type { Worker } from 'node:cluster';
import { monotonicClock } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import { checkOptions, count, positive, string, type OptionChecks } from '../shared/options.js';
import { propertyOf } from '../shared/user-value.js';
import { warningsCheck, type WarningsOption } from '../shared/warnings.js';
import { ClusterPrimary } from './cluster-primary.js';
import { ANSWER, ASK, type Answer, type Request } from './cluster-protocol.js';
import { ClusterWorker, type PrimaryChannel } from './cluster-worker.js';
import { MemoryStore } from './memory-store.js';
import { ALGORITHMS, type Quota } from './quota.js';
import type { Charge, Eventually, RateLimitStore } from './store.js';

/** The name of the store, its bound and its time limit. */
export interface ClusterStoreOptions {
  /** Stores of one name share their buckets. Default 'limits'. */
  readonly name?: string;
  /** How many buckets the primary process keeps per policy. Default 500,000. */
  readonly maxKeys?: number;
  /** Milliseconds that the primary process may take for a decision. Default 100. */
  readonly timeout?: number;
  /** Which warnings are given. Default all. */
  readonly warnings?: WarningsOption;
}

const OPTIONS: OptionChecks<ClusterStoreOptions> = {
  name: string,
  maxKeys: count(),
  timeout: positive,
  warnings: warningsCheck,
};
const DEFAULT_TIMEOUT = 100;

interface ServedStore {
  readonly memory: MemoryStore;
  readonly primary: ClusterPrimary;
  readonly namespace: object;
  users: number;
}

/** In the primary process: the stores by name. */
const served = new Map<string, ServedStore>();
/** In a worker: the object that stores of one name have in common. */
const namespaces = new Map<string, object>();

/**
 * Keeps token buckets in the primary process of Node's cluster, so that its workers share exact limits without Redis. Create
 * it in the primary process and in each worker. The operations of one turn of a worker's event loop are one message.
 *
 * A decision that fails, or takes longer than `timeout`, rejects. The limiter then applies the worker's share of the limit.
 * The primary process does not charge a request whose time is over. In a process without workers it is a `MemoryStore`.
 *
 * @example
 * import cluster from 'node:cluster';
 * import { ClusterStore, rateLimit } from '@tooloo/resilience';
 *
 * const store = new ClusterStore(); // in every process
 * if (cluster.isPrimary) cluster.fork();
 * else app.use(rateLimit({ store, rateLimit: 100, refillRate: 10 }));
 */
export class ClusterStore implements RateLimitStore {
  readonly algorithms = ALGORITHMS;
  readonly synchronous: boolean;
  readonly namespace: object;
  readonly #name: string;
  readonly #worker: ClusterWorker | undefined;
  readonly #served: ServedStore | undefined;
  #isClosed = false;

  /** @throws TypeError, RangeError for an option that is unknown, mistyped or out of range */
  constructor(options?: ClusterStoreOptions) {
    const checked = checkOptions('ClusterStore', options, OPTIONS);
    const { name = 'limits', timeout = DEFAULT_TIMEOUT } = checked;
    this.#name = name;
    this.synchronous = !nodeModule('node:cluster').isWorker;
    if (this.synchronous) {
      this.#served = serve(name, checked);
      this.namespace = this.#served.namespace;
    } else {
      this.#worker = new ClusterWorker(name, timeout, PARENT);
      this.namespace = namespaces.get(name) ?? {};
      namespaces.set(name, this.namespace);
    }
  }

  /** How many processes share the store, as the primary process last reported. */
  get instances(): number {
    return this.#worker?.instances ?? processes();
  }

  take(charges: readonly Charge[]): Eventually<boolean> {
    return this.#store.take(charges);
  }

  spend(charges: readonly Charge[]): Eventually<void> {
    return this.#store.spend(charges);
  }

  refund(charges: readonly Charge[]): Eventually<void> {
    return this.#store.refund(charges);
  }

  read(key: string, quota: Quota): Eventually<number> {
    return this.#store.read(key, quota);
  }

  write(key: string, quota: Quota, tokens: number): Eventually<void> {
    return this.#store.write(key, quota, tokens);
  }

  reset(key: string, quota: Quota): Eventually<void> {
    return this.#store.reset(key, quota);
  }

  resetAll(policy: string): Eventually<void> {
    return this.#store.resetAll(policy);
  }

  declare(quota: Quota): Eventually<number> {
    return this.#worker?.declare(quota) ?? this.#served!.primary.declare(quota);
  }

  /** In the primary process: the workers' decisions fail once all stores of this name are closed. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#worker?.close();
    if (this.#served !== undefined) release(this.#name, this.#served);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  get #store(): ClusterWorker | MemoryStore {
    return this.#worker ?? this.#served!.memory;
  }
}

function serve(name: string, { maxKeys, warnings }: ClusterStoreOptions): ServedStore {
  let store = served.get(name);
  if (store === undefined) {
    const memory = new MemoryStore({
      ...(maxKeys !== undefined && { maxKeys }),
      ...(warnings !== undefined && { warnings }),
    });
    store = { memory, primary: new ClusterPrimary(memory, monotonicClock), namespace: {}, users: 0 };
    if (served.size === 0) nodeModule('node:cluster').on('message', onRequest);
    served.set(name, store);
  }
  store.users++;
  return store;
}

function release(name: string, store: ServedStore): void {
  if (--store.users > 0) return;
  served.delete(name);
  store.memory.close();
  if (served.size === 0) nodeModule('node:cluster').removeListener('message', onRequest);
}

/** The processes of the cluster: the connected workers, and this one. */
function processes(): number {
  const { workers = {} } = nodeModule('node:cluster');
  return 1 + Object.values(workers).filter((worker) => worker?.isConnected() === true).length;
}

/** In the primary process: a message of a worker, which may be of another program. */
function onRequest(worker: Worker, message: unknown): void {
  if (propertyOf(message, 'type') !== ASK) return;
  const request = message as Request;
  const store = served.get(request.store);
  if (store === undefined) return; // another copy of the package may have it
  // A worker that has left does not need the answer.
  worker.send(store.primary.answer(request, processes()), () => undefined);
}

/** In a worker: the channel to the primary process, with one listener for all stores. */
const PARENT: PrimaryChannel = {
  send: (request, onFailure) => {
    if (process.send === undefined) return onFailure(new Error('the primary process is gone'));
    process.send(request, undefined, undefined, (error) => {
      if (error !== null) onFailure(error);
    });
  },
  listen(onAnswer) {
    const listener = (message: unknown): void => {
      if (propertyOf(message, 'type') === ANSWER) onAnswer(message as Answer);
    };
    process.on('message', listener);
    return () => process.removeListener('message', listener);
  },
};
