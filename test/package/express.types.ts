/** TypeScript code as users of Express write it. It is compiled, never run: `npm run typecheck` is the test. */
import express, { type Request, type Response } from 'express';
import { createServer } from 'node:http';
import { cacheResponse } from '../../src/cache.js';
import { compose } from '../../src/compose.js';
import { healthEndpoints } from '../../src/health.js';
import { proxyBalanced } from '../../src/proxy.js';
import { rateLimit } from '../../src/rate-limit.js';
import { trace } from '../../src/trace.js';

const app = express();
createServer(compose(trace(), rateLimit(), express.Router(), express.static('public'), express.json(), app));
createServer(compose(trace(), (_req, res, next) => (res.headersSent ? next() : res.end()), { errors: 'problem' }));
createServer(compose((req: Request, _res, next) => next(req.ip), app));
app.use(compose(express.Router()));

app.use(rateLimit({ key: (req: Request) => req.ip ?? '' }));
app.use(rateLimit({ skip: (req) => req.path.startsWith('/health') }));
app.use(rateLimit({ key: (req) => req.ip ?? '', cost: (req) => (req.query.all === undefined ? 1 : 10) }));
app.use(
  rateLimit<Request>({ limits: (_key, req) => (req.ip === undefined ? undefined : { rateLimit: 5, refillRate: 1 }) }),
);
app.use(rateLimit({ onLimited: ({ key }, _req: Request, res: Response) => void res.status(429).json({ key }) }));
app.use(rateLimit({ skip: async (req) => req.secure }));
createServer(compose(rateLimit({ key: (req) => req.headers.host ?? '' }), app));

app.use(cacheResponse({ bypass: (req) => req.query.preview !== undefined }));
app.use(
  cacheResponse({ tags: (req) => [`u:${String(req.params.id)}`], cookies: (req) => req.cookies?.session as string }),
);
app.use(
  cacheResponse<Request, Response>({ ttl: (req, res) => (req.secure && res.locals.isShared ? 1000 : undefined) }),
);
app.use(trace({ ignore: (req) => req.path === '/quiet', trustParent: (req: Request) => req.ip === '10.0.0.1' }));
app.use(healthEndpoints({ details: (req) => req.get('x-token') === 'secret' }));
app.use(
  proxyBalanced({ targets: ['http://127.0.0.1:3001'], key: (req) => req.ip, timeout: (req) => Number(req.query.t) }),
);
app.use(
  proxyBalanced({
    targets: ['http://127.0.0.1:3001'],
    onError: (_error, req: Request, res: Response) => void res.status(502).json({ path: req.path }),
  }),
);
createServer(compose(cacheResponse({ bypass: (req) => req.headers.host === 'x' }), healthEndpoints(), app));

// Held in a variable, they are middleware for Express and for compose alike.
const cache = cacheResponse();
const health = healthEndpoints();
app.use(cache, health);
createServer(compose(cache, health, app));
