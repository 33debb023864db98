// One server with the lot, before an Express application: traced, probed, limited, cached in memory, and a part of it proxied to
// the origin at the port named by the argument. Every bound is reached soon: there are more clients than buckets, and more
// documents than entries.
import {
  MemoryStore,
  cacheResponse,
  compose,
  healthEndpoints,
  proxyBalanced,
  rateLimit,
  trace,
} from '@tooloo/resilience';
import express from 'express';
import { createServer } from 'node:http';
import { listen } from '../harness.js';

const traced = trace({ serviceName: 'soak', samplingRate: 0.1 });
// No bucket refills while the soak lasts, so that none goes by itself; the bound is reached early also in a short one.
const store = new MemoryStore({ maxKeys: 100_000 });
const key = (req) => req.headers['x-client'];
const limited = rateLimit({ rateLimit: 1_000_000, refillRate: 0.001, key, store });
const cached = cacheResponse();
const proxied = proxyBalanced({ prefix: '/proxied', targets: [`http://127.0.0.1:${process.argv[2]}`] });

const app = express();
app.get('/documents/:id', (req, res) => {
  const { id } = req.params;
  res.set('Cache-Control', 'public, max-age=60').json({ id, text: id.repeat(50) });
});
app.get('/calls/:id', async (req, res) => {
  await Promise.resolve();
  res.set('Cache-Control', 'no-store').json({ id: req.params.id });
});

const server = createServer(compose(traced, healthEndpoints(), limited, cached, proxied, app));
listen(server, {
  bounds: () => {
    const { store: layers, hitRate } = cached.stats();
    return {
      buckets: { size: store.size, decisions: limited.limiter.getStats().totalRequests },
      cache: { size: layers.memory.size, evictions: layers.memory.evictions, hitRate },
      traced: traced.tracer.getMetrics().totalRequests,
    };
  },
});
