/** A request to cancel that reaches the server before its statement. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { postgresConnections } from '../../src/postgres.js';
import { describeWith, postgresService } from '../support/services.js';

/** Forwards to a place. What the first connection sends can be held until another connection has ended. */
class SlowLink implements AsyncDisposable {
  readonly #server = createServer();
  readonly #sockets: Socket[] = [];
  #isHolding = false;
  /** Connections after the first one. */
  later = 0;

  static async to(place: { readonly host: string; readonly port: number }): Promise<SlowLink> {
    const link = new SlowLink();
    link.#server.listen(0, '127.0.0.1').on('connection', (near: Socket) => {
      const far = connect(place);
      const isFirst = link.#sockets.length === 0;
      link.#sockets.push(near, far);
      for (const socket of [near, far]) socket.on('error', () => socket.destroy());
      far.pipe(near);
      if (isFirst) near.on('data', (chunk: Buffer) => void link.#forward(chunk, far));
      else {
        link.later++;
        near.pipe(far).on('close', () => link.#release());
      }
    });
    await once(link.#server, 'listening');
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #release = (): void => undefined;
  #released: Promise<void> = Promise.resolve();

  /** Holds what the first connection sends from now on, until the next connection has ended. */
  hold(): void {
    this.#isHolding = true;
    this.#released = new Promise((resolve) => (this.#release = resolve));
  }

  async #forward(chunk: Buffer, far: Socket): Promise<void> {
    if (this.#isHolding) await this.#released;
    far.write(chunk);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describeWith(postgresService, 'a request to cancel that overtakes its statement', (url) => {
  const { hostname: host, port, username: user, pathname } = new URL(url);

  test('is made again until the statement ends', async () => {
    await using link = await SlowLink.to({ host, port: Number(port || 5432) });
    const factory = postgresConnections({ host: '127.0.0.1', port: link.port, user, database: pathname.slice(1) });
    const connection = await factory.create(new AbortController().signal);
    link.hold();
    const sleeping = expect(connection.query('SELECT pg_sleep(600)')).rejects.toMatchObject({ code: '57014' });
    await connection.cancel?.();
    await sleeping;
    expect(link.later).toBeGreaterThan(1);
    expect((await connection.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await connection.close();
  });
});
