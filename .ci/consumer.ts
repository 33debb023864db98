// The built package as a TypeScript user sees it by `import`: every declaration it ships is checked with this.
import express from 'express';
import { cacheResponse, healthEndpoints, proxyBalanced, rateLimit, RateLimiter, trace } from '@tooloo/resilience';
import { clsHookedContext } from '@tooloo/resilience/cls-hooked';
import { kubernetes } from '@tooloo/resilience/kubernetes';
import { openTelemetryExporter } from '@tooloo/resilience/opentelemetry';
import { postgresConnections } from '@tooloo/resilience/postgres';
import { RedisStore } from '@tooloo/resilience/redis';
import { FakeClock } from '@tooloo/resilience/testing';

const limited = rateLimit({ rateLimit: 10, clock: new FakeClock() });
const app = express();
app.use(trace({ serviceName: 'shop' }), healthEndpoints(), limited, cacheResponse());
app.use('/api', proxyBalanced({ targets: ['http://127.0.0.1:3001'] }));

export const total: number = limited.limiter.getStats().totalRequests;
export const limiter: RateLimiter = new RateLimiter({ rateLimit: 1, refillRate: 1 });
export const entries = { clsHookedContext, kubernetes, openTelemetryExporter, postgresConnections, RedisStore };
