import express, { type Request } from 'express';
import { cacheResponse, healthEndpoints, rateLimit, trace } from '@tooloo/resilience';

const app = express();
const health = healthEndpoints({ details: (req) => req.headers['x-token'] === process.env['TOKEN'] });
app.use(trace({ serviceName: 'strict', ignore: (req: Request) => req.path === '/quiet' }));
app.use(health);
app.use(
  rateLimit({ rateLimit: 100, refillRate: 10, cost: (req: Request) => (req.query['all'] === undefined ? 1 : 10) }),
);
app.use(cacheResponse({ bypass: (req: Request) => req.query['preview'] !== undefined }));
app.get('/', (_req, res) => {
  res.json({ strict: true });
});

const server = app.listen(Number(process.env['PORT'] ?? 3000));
process.on('SIGTERM', () => void health.shutdown(server));
