import express from 'express';
import { Redis } from 'ioredis';
import {
  ConnectionPool,
  healthEndpoints,
  MultiLayerCacheManager,
  poolProbe,
  rateLimit,
  trace,
} from '@tooloo/resilience';
import { postgresConnections } from '@tooloo/resilience/postgres';
import { RedisCacheLayer, RedisStore } from '@tooloo/resilience/redis';

const pool = new ConnectionPool({
  factory: postgresConnections(process.env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1/postgres'),
});
const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
redis.on('error', () => undefined); // the limiter and the cache go on without it
const cache = new MultiLayerCacheManager({
  memory: { maxSize: 1000, ttl: 10_000 },
  redis: new RedisCacheLayer({ client: redis, prefix: 'example-products:' }),
});

const health = healthEndpoints({ onSignal: () => Promise.all([pool.drain(), redis.quit()]) });
health.probes.registerReadinessProbe('postgres', poolProbe(pool));

const app = express();
app.use(trace({ serviceName: 'products' }), health);
app.use(rateLimit({ rateLimit: 100, refillRate: 10, store: new RedisStore({ client: redis }) }));

// One query per product and ten seconds, however many ask and in however many processes.
app.get('/products/:id', async (req, res) => {
  const load = () =>
    pool.use(async (connection) => {
      const { rows } = await connection.query('SELECT $1::text AS id, now()::text AS read', [req.params.id]);
      return rows[0];
    });
  res.json(await cache.getOrSet(`product:${req.params.id}`, load, { ttl: 10_000, tags: ['products'] }));
});

const server = app.listen(process.env.PORT ?? 3000);
process.on('SIGTERM', () => health.shutdown(server));
