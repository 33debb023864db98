/** Sessions over TLS: what runs is cancelled over TLS as well, by a connection beside the session. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { ConnectionPool } from '../../src/index.js';
import { postgresConnections, type PostgresConnection } from '../../src/postgres.js';
import { PostgresServer } from '../support/postgres-server.js';
import { describeUnless } from '../support/services.js';
import { cert } from '../support/tls.js';

/** The first message of a connection that asks for TLS (PostgreSQL documentation, 53.7). */
const SSL_REQUEST = '0000000804d2162f';

/** Forwards to a port, and keeps what each connection begins with, in hexadecimal. */
class Wiretap {
  readonly beginnings: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<Wiretap> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const tap = new Wiretap(server);
    server.on('connection', (near) => {
      const far = connect(port, '127.0.0.1');
      near.once('data', (chunk: Buffer) => tap.beginnings.push(chunk.subarray(0, 8).toString('hex')));
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) tap.#sockets.add(socket.on('error', () => socket.destroy()));
    });
    return tap;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describeUnless(PostgresServer.unavailable, 'a PostgreSQL server with TLS', () => {
  let server: PostgresServer;
  let tap: Wiretap;

  beforeAll(async () => {
    server = await PostgresServer.create({ tls: true });
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    tap = await Wiretap.to(Number(new URL(server.url).port));
  });
  afterEach(() => tap.close());

  test.each(['localhost', '127.0.0.1'])(
    'what runs at %s is cancelled, and nothing is sent in the clear',
    async (host) => {
      const warnings: Error[] = [];
      const warn = (warning: Error): number => warnings.push(warning);
      process.on('warning', warn);
      const place = { host, port: tap.port, user: 'tester', database: 'postgres', ssl: { ca: cert } };
      const pool = new ConnectionPool<PostgresConnection>({
        factory: postgresConnections(place),
        minConnections: 0,
        maxConnections: 1,
      });
      const { rows } = await pool.use((loan) => loan.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'));
      expect(rows).toEqual([{ ssl: true }]);

      await pool.use(async (loan) => {
        const sleeping = loan.query('SELECT pg_sleep(600)');
        const cancelled = expect(sleeping).rejects.toMatchObject({ code: '57014' });
        await loan.connection.cancel();
        await cancelled;
      });

      // A statement that outlives its borrower.
      let outlived: Promise<unknown> | undefined;
      await pool.use((loan) => {
        outlived = expect(loan.query('SELECT pg_sleep(600)')).rejects.toMatchObject({ code: '57014' });
      });
      await outlived;
      await pool.use((loan) => loan.query('SELECT 1'));

      await pool.close();
      process.off('warning', warn);
      expect(warnings).toEqual([]);
      expect(tap.beginnings.length).toBeGreaterThanOrEqual(3); // the session and two cancellations
      expect(new Set(tap.beginnings)).toEqual(new Set([SSL_REQUEST]));
    },
  );

  test('a server whose certificate is not trusted gets neither a session nor a request to cancel', async () => {
    const place = { host: 'localhost', port: tap.port, user: 'tester', database: 'postgres', ssl: true };
    const pool = new ConnectionPool({ factory: postgresConnections(place), minConnections: 1, maxConnections: 1 });
    await expect(pool.initialize()).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    await pool.close();
  });
});
