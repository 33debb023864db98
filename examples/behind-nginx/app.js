import express from 'express';
import { cacheResponse, healthEndpoints, rateLimit, trace } from '@tooloo/resilience';

const app = express();
// nginx is the one proxy in front: the last address of X-Forwarded-For is the client.
app.set('trust proxy', 1);
const health = healthEndpoints();
app.use(trace({ serviceName: 'shop' }), health, rateLimit({ rateLimit: 20, refillRate: 5 }));
app.use(cacheResponse({ trustProxy: 1, controlToken: process.env.CONTROL_TOKEN }));
app.get('/', (req, res) => res.json({ client: req.ip }));

const server = app.listen(process.env.PORT ?? 3000);
process.on('SIGTERM', () => health.shutdown(server));
