/** A TCP proxy that breaks a network on request: slow, silent, torn or cut off. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { inQuietTurn } from '../../src/health/quiet-turn.js';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

function connectedOrClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
}

export class FaultyLink {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #delay = 0;
  #isSilent = false;
  #isCut = false;
  #target: number;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Listens on `at`, by default a free port, and forwards to `port` of this machine. */
  static async to(port: number, at = 0): Promise<FaultyLink> {
    const server = createServer({ allowHalfOpen: true }).listen(at, '127.0.0.1');
    await once(server, 'listening');
    const link = new FaultyLink(server, port);
    server.on('connection', (near) => link.#join(near));
    return link;
  }

  /** Leads to another port of this machine, as an address does after a failover: every connection is made anew. */
  redirect(port: number): void {
    this.#target = port;
    this.tear();
  }

  /** Everything arrives as it should from now on. */
  heal(): void {
    this.#delay = 0;
    this.#isCut = false;
    this.#isSilent = false;
    for (const { near, far } of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  /** Every chunk, both ways, takes that many milliseconds longer. */
  slow(delay: number): void {
    this.#delay = delay;
  }

  /** From now on nothing arrives, and neither side sees an error. */
  silence(): void {
    this.#isSilent = true;
    for (const { near, far } of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  /** Resets every connection, even in the middle of a transfer. New connections go through. */
  tear(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Resets every connection, and every new one. */
  cut(): void {
    this.#isCut = true;
    this.tear();
  }

  /** Refuses new connections from now on. The open ones stay. */
  refuse(): void {
    this.#server.close();
  }

  /**
   * Refuses new connections without resetting those that wait to be accepted: a network has no such queue, which this
   * process does. Settles when every connection that it accepted has reached the target.
   */
  async refuseQuietly(): Promise<void> {
    await new Promise<void>((resolve) => inQuietTurn(this.#server, resolve));
    this.refuse();
    const underWay = [...this.#pairs].map(({ far }) => far).filter((far) => far.connecting);
    await Promise.all(underWay.map(connectedOrClosed));
  }

  async close(): Promise<void> {
    this.refuse();
    this.tear();
    await once(this.#server, 'close');
  }

  #join(near: Socket): void {
    near.on('error', () => near.destroy());
    if (this.#isCut) return void near.resetAndDestroy();
    const far = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    const pair = { near, far };
    this.#pairs.add(pair);
    far.on('error', () => near.resetAndDestroy());
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.once('close', (hadError) => {
        // What it sent before an orderly end is still on its way.
        if (hadError || !socket.readableEnded) other.destroy();
        else other.unpipe().resume(); // no socket is left to read what it still sends
        if (other.closed) this.#pairs.delete(pair);
      });
    }
    near.pipe(this.#delaying()).pipe(far);
    far.pipe(this.#delaying()).pipe(near);
    if (this.#isSilent) near.pause();
  }

  #delaying(): Transform {
    return new Transform({
      transform: (chunk, _encoding, done) => {
        if (this.#delay === 0) return done(null, chunk);
        void pause(this.#delay).then(() => done(null, chunk));
      },
    });
  }
}
