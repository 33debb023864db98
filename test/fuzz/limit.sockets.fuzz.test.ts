/** Limits hold over real sockets: pipelined, HTTP/2, several connections, clients that leave, policies by partition. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2';
import { connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import fc from '../support/fast-check.js';
import { compose, rateLimit } from '../../src/middleware/index.js';
import { PostgresStore } from '../../src/postgres.js';
import { ALGORITHMS } from '../../src/rate-limiting/quota.js';
import {
  MemoryStore,
  resolveQuota,
  type Algorithm,
  type Limit,
  type RateLimitStore,
} from '../../src/rate-limiting/index.js';
import { RedisStore } from '../../src/redis.js';
import { FakeClock } from '../../src/testing.js';
import { PATIENT, until } from '../support/eventually.js';
import { describeWith, postgresService, redisService } from '../support/services.js';
import { fuzz, type Tally } from './harness.js';

/** The client and the tenant of a request, and its cost. Each policy has one bucket per value. */
interface Call {
  readonly client: number;
  readonly tenant: number;
  readonly cost: number;
}

interface SocketScript {
  readonly store: 'memory' | 'redis' | 'postgres';
  readonly http2: boolean;
  readonly algorithm: Algorithm;
  readonly isAsync: boolean;
  /** Capacities of the policies by client, by tenant and for all. */
  readonly limits: readonly [number, number, number];
  /** The calls of each connection, pipelined. */
  readonly connections: ReadonlyArray<{ readonly calls: readonly Call[]; readonly leaves: boolean }>;
}

const call: fc.Arbitrary<Call> = fc.record({
  client: fc.integer({ min: 0, max: 2 }),
  tenant: fc.integer({ min: 0, max: 1 }),
  cost: fc.integer({ min: 0, max: 3 }),
});
const socketScripts: fc.Arbitrary<SocketScript> = fc.record({
  store: fc.constantFrom('memory' as const, 'memory' as const, 'redis' as const, 'postgres' as const),
  http2: fc.boolean(),
  algorithm: fc.constantFrom<Algorithm>(...ALGORITHMS),
  isAsync: fc.boolean(),
  limits: fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 20 })),
  connections: fc.array(fc.record({ calls: fc.array(call, { minLength: 1, maxLength: 12 }), leaves: fc.boolean() }), {
    minLength: 1,
    maxLength: 4,
  }),
});

const POLICIES = ['client', 'tenant', 'all'] as const;
const callOf = (req: IncomingMessage): Call => {
  const [, client, tenant, cost] = req.url!.split('/').map(Number) as [number, number, number, number];
  return { client, tenant, cost };
};
const pathOf = ({ client, tenant, cost }: Call): string => `/${client}/${tenant}/${cost}`;

/** The tokens admitted, by bucket. */
class Spent {
  readonly #tokens = new Map<string, number>();

  of(policy: string, partition: unknown): number {
    return this.#tokens.get(`${policy} ${String(partition)}`) ?? 0;
  }

  add(policy: string, partition: unknown, cost: number): void {
    this.#tokens.set(`${policy} ${String(partition)}`, this.of(policy, partition) + cost);
  }
}

const partitionOf = (policy: string, one: Call): number | string =>
  policy === 'client' ? one.client : policy === 'tenant' ? one.tenant : 'all';

/** Nothing returns: a window is a day long, and the clock stands. */
function limitOf(capacity: number, algorithm: Algorithm): Limit {
  return { rateLimit: capacity, refillRate: algorithm === 'token-bucket' ? 0 : capacity / 86_400, algorithm };
}

type Connection = SocketScript['connections'][number];

/** Sends all calls at once. Resolves to those that were not served; a client that leaves learns of none. */
async function speakHttp1(port: number, { calls, leaves }: Connection): Promise<Call[]> {
  const client: Socket = connect(port, '127.0.0.1');
  client.setEncoding('latin1').on('error', () => undefined);
  client.write(calls.map((one) => `GET ${pathOf(one)} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  let text = '';
  let statuses: string[] = [];
  for await (const chunk of client) {
    text += chunk as string;
    statuses = Array.from(text.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => status!);
    if (leaves || statuses.length === calls.length) break; // ends the connection
  }
  if (!leaves) expect(statuses).toHaveLength(calls.length);
  return leaves ? [] : calls.filter((_, i) => statuses[i] !== '200');
}

async function speakHttp2(port: number, { calls, leaves }: Connection): Promise<Call[]> {
  const client = connectHttp2(`http://127.0.0.1:${port}`);
  client.on('error', () => undefined);
  const streams = calls.map((one) => {
    const stream = client.request({ ':path': pathOf(one) });
    stream.on('error', () => undefined);
    return stream.resume();
  });
  const statuses = streams.map(async (stream) => {
    const [{ ':status': status }] = (await once(stream, 'response')) as [{ ':status': number }];
    return status;
  });
  if (leaves) {
    await Promise.race(statuses);
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    client.destroy();
    if (!client.closed) await once(client, 'close');
    return [];
  }
  const answers = await Promise.all(statuses);
  client.close();
  return calls.filter((_, i) => answers[i] !== 200);
}

describeWith(redisService, 'with Redis', (redisUrl) => {
  describeWith(postgresService, 'and PostgreSQL', (postgresUrl) => {
    const schema = `limit_sockets_${process.pid}`;
    const redis = new Redis(redisUrl, { lazyConnect: true });
    const pool = new Pool({ connectionString: postgresUrl, max: 4 });
    beforeAll(() => Promise.all([redis.connect(), pool.query(`CREATE SCHEMA ${schema}`)]));
    afterAll(async () => {
      redis.disconnect();
      await pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    });

    function storeOf(kind: SocketScript['store'], id: string, clock: FakeClock): RateLimitStore {
      if (kind === 'memory') return new MemoryStore({ clock });
      if (kind === 'redis') return new RedisStore({ client: redis, prefix: `{${id}}:`, clock, timeout: PATIENT });
      return new PostgresStore({ pool, table: `${schema}.buckets`, clock, timeout: PATIENT });
    }

    async function limitsHold(script: SocketScript, tally: Tally): Promise<void> {
      const { algorithm, limits, connections } = script;
      const id = randomUUID();
      const clock = new FakeClock(1_000_000);
      const store = storeOf(script.store, id, clock);
      const later = <T>(value: T): T | Promise<T> => (script.isAsync ? Promise.resolve(value) : value);
      const limiter = rateLimit({
        store,
        clock,
        warnings: false,
        cost: (req) => later(callOf(req).cost),
        policies: POLICIES.map((name, i) => ({
          name: `${name}-${id}`,
          ...limitOf(limits[i]!, algorithm),
          key: (req) => later(String(partitionOf(name, callOf(req)))),
        })),
      });
      const spent = new Spent();
      let arrived = 0;
      let handled = 0;
      const served = compose(
        (_req, _res, next) => {
          arrived++;
          next();
        },
        limiter,
        (req, res) => {
          handled++;
          const one = callOf(req);
          for (const name of POLICIES) spent.add(name, partitionOf(name, one), one.cost);
          res.on('error', () => undefined);
          res.end('served');
        },
      );
      const server: Server = script.http2 ? createHttp2Server(served as never) : createServer(served);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const speak = script.http2 ? speakHttp2 : speakHttp1;
      const refused = (await Promise.all(connections.map((one) => speak(port, one)))).flat();
      await new Promise((closed) => server.close(closed));
      const stats = (): { allowedRequests: number; deniedRequests: number } => limiter.limiter.getStats();
      await until(() => stats().allowedRequests + stats().deniedRequests === arrived, 'a request was never decided');
      await until(() => handled === stats().allowedRequests, 'an admitted request never reached its handler');
      for (const [i, name] of POLICIES.entries()) {
        for (const partition of name === 'all' ? ['all'] : [0, 1, 2]) {
          const quota = resolveQuota(`${name}-${id}`, limitOf(limits[i]!, algorithm));
          const used = spent.of(name, partition);
          expect({ name, partition, used, limit: limits[i], fits: used <= limits[i]! }).toMatchObject({ fits: true });
          const left = await store.read(String(partition), quota);
          expect({ name, partition, left }).toEqual({ name, partition, left: limits[i]! - used });
        }
      }
      // Nothing returns, so that a request that was refused could not be paid at the end either.
      for (const one of refused) {
        const lacks = POLICIES.some((name, i) => spent.of(name, partitionOf(name, one)) + one.cost > limits[i]!);
        expect({ one, lacks: one.cost > 0 && lacks }).toEqual({ one, lacks: true });
      }
      await limiter.close();
      if (script.store === 'redis') {
        const keys = await redis.keys(`?${id}?:*`);
        if (keys.length > 0) await redis.del(...keys);
      }
      tally.requests = (tally.requests ?? 0) + arrived;
      tally.connections = (tally.connections ?? 0) + connections.length;
    }

    const title = 'over pipelined HTTP/1.1 and HTTP/2, all policies are charged or none, and none beyond its limit';
    fuzz('limit', [{ title, arbitrary: socketScripts, check: limitsHold, batch: 10 }], 0.2);
  });
});
