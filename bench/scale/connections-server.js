// An Express application, alone or with the kit's middleware, that keeps its connections open. The limit is never reached.
import { cacheResponse, healthEndpoints, rateLimit, trace } from '@tooloo/resilience';
import express from 'express';
import { listen } from '../harness.js';

const app = express();
if (process.argv[2] === 'kit') {
  app.use(trace({ serviceName: 'bench' }));
  app.use(healthEndpoints());
  app.use(rateLimit({ rateLimit: 1_000_000_000, refillRate: 1_000_000 }));
  app.use(cacheResponse());
}
app.get('/', (_req, res) => {
  res.json({ ok: true });
});
listen(app).keepAliveTimeout = 600_000;
