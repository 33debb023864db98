import express from 'express';
import { healthEndpoints, rateLimit, trace } from '@tooloo/resilience';

const app = express();
const health = healthEndpoints({ drainDelay: 5000, drainTimeout: 25_000 });
app.set('trust proxy', 1); // the ingress
app.use(trace({ serviceName: 'shop' }), health, rateLimit({ rateLimit: 100, refillRate: 10 }));
app.get('/', (_req, res) => res.json({ pod: process.env.HOSTNAME }));

const server = app.listen(process.env.PORT ?? 3000);
// Readiness fails, the service takes the pod out, requests in flight finish: within the 30 s of the pod.
process.on('SIGTERM', () => health.shutdown(server));
