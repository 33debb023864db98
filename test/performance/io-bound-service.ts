/**
 * An instance that waits: it passes each request on to a slow upstream, so many at a time and no more, as one does whose
 * upstream allows so much to each caller. Further requests wait in its queue.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { compose } from '../../src/middleware/compose.js';
import { rateLimit } from '../../src/middleware/rate-limit.js';

const { BUDGET_PORT: port, UPSTREAM: upstream = '', IN_FLIGHT: inFlight } = process.env;

const limited = rateLimit({
  rateLimit: 1e9,
  refillRate: 1e9,
  concurrency: { limit: Number(inFlight), maxQueue: 1000, maxWaitTime: 30_000 },
});

const server = createServer(
  compose(limited, async (req, res) => {
    req.resume();
    const answer = await request(upstream, { method: 'POST' });
    res.setHeader('Content-Type', 'application/json').end(await answer.body.text());
  }),
);

server.listen(Number(port), '127.0.0.1', () =>
  process.send?.({ type: 'ready', port: (server.address() as AddressInfo).port }),
);
process.once('SIGTERM', () => process.exit(0));
