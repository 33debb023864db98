/** Calls to Redis that end: in time, or with an error, and not at all while it is known to be away. */
import { CircuitBreaker } from '../shared/circuit-breaker.js';
import { monotonicClock, startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import type { RedisScript } from './redis-scripts.js';

/** What the layer uses of a client: ioredis' `Redis` and `Cluster` are ones. */
export interface RedisCacheClient {
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  callBuffer(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  /** 'ready' when commands go out at once. A client without it is taken to be ready. */
  readonly status?: string;
  /** A cluster's: the nodes to scan. */
  nodes?(role: 'master'): readonly RedisCacheClient[];
}

/** A client that connects on first use waits for the first command; one that has none is not asked. */
const MAY_SEND = [undefined, 'ready', 'wait'];

export class RedisLink {
  readonly #client: RedisCacheClient;
  readonly #timeout: number;
  readonly #clock: Clock;
  readonly #breaker: CircuitBreaker;

  /** @param isPatient the caller waits longer after each failure by itself: no circuit is to make it wait beyond that */
  constructor(client: RedisCacheClient, timeout: number, clock: Clock = monotonicClock, isPatient = false) {
    this.#client = client;
    this.#timeout = timeout;
    this.#clock = clock;
    // Half a second to a second between probes: a Redis that is back is found before two seconds have passed.
    this.#breaker = new CircuitBreaker({
      name: 'RedisCacheLayer',
      failureThreshold: isPatient ? Infinity : 5,
      openDuration: 500,
      maxOpenDuration: 1000,
      probeTimeout: Math.max(1000, 2 * timeout),
      clock,
    });
  }

  /** Runs a script, sending its text only where the server does not know it yet. */
  run(script: RedisScript, keys: readonly string[], args: readonly (string | Buffer)[] = []): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    return this.#bounded(this.#client, async () => {
      try {
        return await this.#client.callBuffer('EVALSHA', [script.sha, ...rest]);
      } catch (error) {
        // The one error after which nothing can have happened: only it is tried again.
        if (!String((error as Error).message).startsWith('NOSCRIPT')) throw error;
        return this.#client.callBuffer('EVAL', [script.text, ...rest]);
      }
    });
  }

  command(name: string, ...args: (string | number)[]): Promise<unknown> {
    return this.#bounded(this.#client, () => this.#client.call(name, args));
  }

  /** The keys that match a Redis glob, found in small steps on every node. */
  async *scan(glob: string): AsyncGenerator<string[]> {
    for (const node of this.#client.nodes?.('master') ?? [this.#client]) {
      let cursor = '0';
      do {
        const args = [cursor, 'MATCH', glob, 'COUNT', 250];
        const reply = await this.#bounded(node, () => node.call('SCAN', args));
        const [next, keys] = reply as [string, string[]];
        yield keys;
        cursor = next;
      } while (cursor !== '0');
    }
  }

  /**
   * A client that is not connected would keep the command and send it once it is: seconds later, when it may bring back
   * what others have invalidated since.
   *
   * @throws ResilienceError STORE_UNAVAILABLE or CIRCUIT_OPEN, or the client's own error
   */
  #bounded<T>(client: RedisCacheClient, send: () => Promise<T>): Promise<T> {
    if (!MAY_SEND.includes(client.status)) {
      return Promise.reject(new ResilienceError('STORE_UNAVAILABLE', `RedisCacheLayer: Redis is ${client.status}`));
    }
    return this.#breaker.execute(() => this.#inTime(send()));
  }

  #inTime<T>(reply: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = startTimer(
        this.#clock,
        () =>
          reject(
            new ResilienceError(
              'STORE_UNAVAILABLE',
              `RedisCacheLayer: Redis did not answer within ${this.#timeout} ms`,
            ),
          ),
        this.#timeout,
      );
      reply.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}
