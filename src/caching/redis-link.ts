/**
 * Calls to Redis that always end: in time or with an error. While Redis is known to be unavailable, no call is made.
 */
import { CircuitBreaker } from '../shared/circuit-breaker.js';
import { monotonicClock, startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import type { RedisScript } from './redis-scripts.js';

/**
 * The methods of a client that the layer uses. ioredis' `Redis` and `Cluster` have them.
 *
 * @example
 * import { Redis } from 'ioredis';
 * import { RedisCacheLayer, type RedisCacheClient } from '@tooloo/resilience/redis';
 *
 * const client: RedisCacheClient = new Redis();
 * const layer = new RedisCacheLayer({ client });
 */
export interface RedisCacheClient {
  call(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  callBuffer(command: string, args: (string | Buffer | number)[]): Promise<unknown>;
  /** 'ready' if commands are sent at once. A client without this property counts as ready. */
  readonly status?: string;
  /** For a cluster: the nodes to scan. */
  nodes?(role: 'master'): readonly RedisCacheClient[];
}

/** A client that connects on first use waits for the first command. A client without a connection is not used. */
const MAY_SEND = [undefined, 'ready', 'wait'];

export class RedisLink {
  readonly #client: RedisCacheClient;
  readonly #timeout: number;
  readonly #clock: Clock;
  readonly #breaker: CircuitBreaker;

  /**
   * @param isPatient whether the caller itself waits longer after each failure, so that a circuit must not add to the
   *   wait
   */
  constructor(client: RedisCacheClient, timeout: number, clock: Clock = monotonicClock, isPatient = false) {
    this.#client = client;
    this.#timeout = timeout;
    this.#clock = clock;
    // Half a second to a second between probes: a recovered Redis is noticed within two seconds.
    this.#breaker = new CircuitBreaker({
      name: 'RedisCacheLayer',
      failureThreshold: isPatient ? Infinity : 5,
      openDuration: 500,
      maxOpenDuration: 1000,
      probeTimeout: Math.max(1000, 2 * timeout),
      clock,
    });
  }

  /** Runs a script, and sends its text only if the server does not know it yet. */
  run(script: RedisScript, keys: readonly string[], args: readonly (string | Buffer)[] = []): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    return this.#bounded(this.#client, async () => {
      try {
        return await this.#client.callBuffer('EVALSHA', [script.sha, ...rest]);
      } catch (error) {
        // This is the only error after which the script cannot have run, so only this one is retried.
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
   * A client without a connection would keep the command and send it after reconnecting. Seconds later, the command
   * could restore entries that others have invalidated in the meantime.
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
      const expire = (): void => reject(lateError(this.#timeout));
      // Timers run before sockets are read. After a pause of this process, the reply may have arrived without being read.
      const timer = startTimer(this.#clock, () => void setImmediate(expire), this.#timeout);
      reply.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

function lateError(timeout: number): ResilienceError {
  return new ResilienceError('STORE_UNAVAILABLE', `RedisCacheLayer: Redis did not answer within ${timeout} ms`);
}
