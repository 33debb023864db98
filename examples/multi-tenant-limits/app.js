import express from 'express';
import { healthEndpoints, rateLimit, trace } from '@tooloo/resilience';

/** The limits of each plan. In production, read them from a database: `limits` may return a promise. */
const PLANS = { free: { rateLimit: 5, refillRate: 1 }, pro: { rateLimit: 100, refillRate: 50 } };
const TENANTS = { acme: 'pro', umbrella: 'free' };

const tenantOf = (req) => req.get('x-tenant') ?? 'unknown';

const app = express();
const health = healthEndpoints();
app.use(trace({ serviceName: 'tenants' }), health);
app.use(
  rateLimit({
    ...PLANS.free, // unknown tenants
    key: tenantOf,
    limits: (_key, req) => PLANS[TENANTS[tenantOf(req)]],
    // No tenant takes more than four of the requests in flight.
    concurrency: { limit: 4, key: 'client' },
    // An export costs as much as twenty pages.
    cost: (req) => (req.path === '/export' ? 20 : 1),
  }),
);
app.get('/', (req, res) => res.json({ tenant: tenantOf(req) }));
app.get('/export', (req, res) => res.json({ export: tenantOf(req) }));

const server = app.listen(process.env.PORT ?? 3000);
process.on('SIGTERM', () => health.shutdown(server));
