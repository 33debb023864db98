/**
 * A service in a process of its own. It caches the values of an origin, and a coordinator keeps its cache coherent with
 * those of the other services. `GET /<key>` returns the value, `POST /<key>` invalidates it, and `GET /` returns the
 * coordinator's status.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import axios from 'axios';
import { Redis } from 'ioredis';
import { DistributedCacheCoordinator, MultiLayerCacheManager, compose, type Clock } from '../../src/index.js';
import { RedisCacheLayer, RedisTransport } from '../../src/redis.js';

/** What the parent hands over as the only argument, in JSON. */
export interface ServiceSettings {
  readonly id: string;
  /** Base URL of what is cached. */
  readonly origin: string;
  /** Milliseconds this process' clock is ahead of the machine's. */
  readonly skew?: number;
  /** Shares a layer and the messages through it; HTTP otherwise. */
  readonly redisPort?: number;
}

/** The other services, by name; sent by the parent when all listen. */
export type ServicePorts = Readonly<Record<string, number>>;

process.removeAllListeners('warning'); // that a layer is done without is what is tested, not news

const { id, origin, skew = 0, redisPort } = JSON.parse(process.argv[2] ?? '{}') as ServiceSettings;
const clock: Clock = { now: () => Date.now() + skew };
const client = redisPort === undefined ? undefined : connect(redisPort);
const cache = new MultiLayerCacheManager({
  clock,
  memory: { ttl: 600_000 },
  ...(client && { redis: new RedisCacheLayer({ client, defaultTTL: 600_000 }) }),
});
const coordinator = new DistributedCacheCoordinator(cache, id, {
  clock,
  ...(client ? { transport: new RedisTransport({ client, consumer: id }) } : { secret: 'shared' }),
});

function connect(port: number): Redis {
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, enableOfflineQueue: false });
  redis.on('error', () => undefined); // the tests stop Redis on purpose
  return redis;
}

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const key = (req.url ?? '/').slice(1);
  if (key === '') {
    res.end(JSON.stringify(coordinator.getCoordinationStatus()));
  } else if (req.method === 'POST') {
    await coordinator.publishInvalidation(key);
    res.writeHead(204).end();
  } else {
    const load = async (): Promise<string> => (await axios.get<string>(`${origin}/${key}`)).data;
    res.end(await cache.getOrSet(key, load));
  }
}

const server = createServer(
  compose(coordinator.router, (req, res, next) => {
    answer(req, res).catch(next);
  }),
).listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('message', (ports: ServicePorts) => {
  for (const [peer, port] of Object.entries(ports)) if (peer !== id) coordinator.registerPeer(peer, '127.0.0.1', port);
  process.send?.('introduced');
});
process.once('disconnect', () => process.exit());
