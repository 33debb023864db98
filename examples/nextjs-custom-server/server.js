import next from 'next';
import { createServer } from 'node:http';
import { compose, healthEndpoints, rateLimit, trace } from '@tooloo/resilience';

const app = next({ dev: process.env.NODE_ENV !== 'production' });
await app.prepare();
const handle = app.getRequestHandler();

// Next has a cache of its own, so cacheResponse is left out.
const health = healthEndpoints({ onSignal: () => app.close() });
const listener = compose(
  trace({ serviceName: 'site' }),
  health,
  rateLimit({ rateLimit: 300, refillRate: 30 }),
  (req, res) => handle(req, res),
);
const server = createServer(listener).listen(process.env.PORT ?? 3000);
process.on('SIGTERM', () => health.shutdown(server));
