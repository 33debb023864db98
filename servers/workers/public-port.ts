/**
 * The public port. The primary process accepts its connections and hands each to a worker, in turn. Node's cluster does
 * the same, but it drops connections that arrive while the last worker closes its listener. This port first stops to
 * accept, and then lets the workers go.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** What the port needs of a worker. */
export interface Receiver {
  /** Hands over a connection, and keeps it open here. The worker confirms with `accepted`. */
  receive(socket: Socket): void;
}

/** Connections that wait for a worker. More are refused, because no worker has been free for long. */
const MOST_WAITING = 1000;

/** Milliseconds: what a turn of the event loop may take in which nothing happens. */
const QUIET = 0.1;
/** A port that is never quiet is closed after this number of turns. */
const MOST_TURNS = 500;

export class PublicPort {
  readonly #server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#onConnection(socket));
  /** Workers that can take a connection, the one that waited longest first. */
  readonly #free = new Set<Receiver>();
  /** The last connection of each worker that has not confirmed it. One that hangs gets no other. */
  readonly #busy = new Map<Receiver, Socket>();
  /** Workers that get no more connections. */
  readonly #retired = new WeakSet<Receiver>();
  readonly #waiting: Socket[] = [];
  #accepted = 0;
  #onFlushed: (() => void) | undefined;

  /** @returns the port. Rejects if it is in use. */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.removeListener('error', reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  add(worker: Receiver): void {
    this.#free.add(worker);
    this.#handOver();
  }

  /** The worker stops: it gets no more connections, but still confirms the one that is on its way. */
  retire(worker: Receiver): void {
    this.#retired.add(worker);
    this.#free.delete(worker);
  }

  /** The worker has ended. Another one gets the connection that it did not confirm. */
  remove(worker: Receiver): void {
    this.retire(worker);
    const lost = this.#busy.get(worker);
    this.#busy.delete(worker);
    if (lost !== undefined) this.#waiting.unshift(lost);
    this.#handOver();
  }

  /** The worker has got its last connection. */
  accepted(worker: Receiver): void {
    this.#busy.get(worker)?.destroy(); // closes it here only
    this.#busy.delete(worker);
    if (!this.#retired.has(worker)) this.#free.add(worker);
    this.#handOver();
  }

  /** Stops to accept connections. Settles when the workers have got all that were accepted. */
  async close(): Promise<void> {
    await this.#quiet();
    this.#server.close();
    await new Promise<void>((resolve) => {
      this.#onFlushed = resolve;
      this.#handOver();
    });
  }

  #onConnection(socket: Socket): void {
    this.#accepted++;
    socket.on('error', () => undefined); // the client has gone; the worker notices as well
    if (this.#waiting.length >= MOST_WAITING) return void socket.destroy();
    this.#waiting.push(socket);
    this.#handOver();
  }

  #handOver(): void {
    for (const worker of this.#free) {
      const socket = this.#waiting.shift();
      if (socket === undefined) break;
      this.#free.delete(worker);
      this.#busy.set(worker, socket);
      worker.receive(socket);
    }
    const isFlushed = this.#waiting.length === 0 && this.#busy.size === 0;
    const nobodyTakesThem = this.#free.size === 0 && this.#busy.size === 0;
    if (isFlushed || nobodyTakesThem) this.#onFlushed?.();
  }

  /**
   * Settles in a turn that was short and in which no connection arrived: the system resets those that wait to be accepted,
   * and in a long turn, some may have come since Node looked.
   */
  async #quiet(): Promise<void> {
    for (let turns = 0; turns < MOST_TURNS; turns++) {
      const accepted = this.#accepted;
      const before = performance.now();
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#accepted === accepted && performance.now() - before < QUIET) return;
    }
  }
}
