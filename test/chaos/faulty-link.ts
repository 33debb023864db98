/** A TCP proxy that breaks a network on request: slow, silent, torn or cut off. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export class FaultyLink {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #delay = 0;
  #isSilent = false;
  #isCut = false;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Listens on a free port and forwards to `port` of this machine. */
  static async to(port: number): Promise<FaultyLink> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const link = new FaultyLink(server);
    server.on('connection', (near) => link.#join(near, port));
    return link;
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

  /** Nothing arrives any more, and nobody is told. */
  silence(): void {
    this.#isSilent = true;
    for (const { near, far } of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  /** Resets every connection in the middle of whatever it carries; new ones go through. */
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

  async close(): Promise<void> {
    this.#server.close();
    this.tear();
    await once(this.#server, 'close');
  }

  #join(near: Socket, port: number): void {
    near.on('error', () => near.destroy());
    if (this.#isCut) return void near.resetAndDestroy();
    const far = connect(port, '127.0.0.1');
    const pair = { near, far };
    this.#pairs.add(pair);
    far.on('error', () => near.resetAndDestroy());
    for (const socket of [near, far]) {
      socket.once('close', () => {
        this.#pairs.delete(pair);
        near.destroy();
        far.destroy();
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
