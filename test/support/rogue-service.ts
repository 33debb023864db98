/** A service that was taken over: it speaks the fleet's language, and everything it says is meant to do harm. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newTally, recordRequest } from '../../servers/support/tally.js';
import { SLOT_MS } from '../../servers/support/pulse.js';

/** Markup that would tell on itself were it ever taken for such: a dialog, or a request the page's policy refuses. */
export const HOSTILE = `"'><img src=x onerror="alert('taken for markup')"><script>alert('run')</script>`;

export const HOSTILE_TRACE = 'deadbeefdeadbeefdeadbeefdeadbeef';

function span(spanId: string, parentSpanId?: string) {
  return {
    traceId: HOSTILE_TRACE,
    spanId,
    parentSpanId: parentSpanId ?? spanId, // its own parent: a circle
    service: HOSTILE,
    operation: HOSTILE,
    kind: 'server',
    startTime: Date.now() - 1000,
    duration: 12,
    status: HOSTILE,
    error: HOSTILE,
    attributes: { [HOSTILE]: HOSTILE, 'db.query.summary': HOSTILE, 'http.route': HOSTILE },
    logs: [{ timestamp: Date.now(), level: HOSTILE, message: HOSTILE }],
  };
}

function pulse() {
  const slot = Math.floor(Date.now() / SLOT_MS) - 1;
  const tally = newTally();
  recordRequest(tally, { duration: 5, status: 500, traceId: HOSTILE_TRACE, kept: true });
  const engines = {
    rateLimiter: {
      totalRequests: 1,
      deniedRequests: 1,
      busiest: [{ key: HOSTILE, requests: 1, denied: 1 }],
      store: {},
    },
    cache: { memory: { size: 1 }, layers: { [HOSTILE]: { size: 1 } } },
    responses: { hits: 1 },
    coordination: { peers: [HOSTILE], stats: {} },
    concurrency: { keys: { [HOSTILE]: { limit: 1, inFlight: 1, waiting: 0 } } },
  };
  const process = { cpu: 1, uptime: 1, loopActive: 1, loopIdle: 1, rss: 1, heapUsed: 1 };
  const slots = [{ slot, requests: { [HOSTILE]: tally, ['__proto__']: tally }, calls: { [HOSTILE]: tally } }];
  return {
    service: HOSTILE,
    instance: HOSTILE,
    pid: HOSTILE,
    slotMs: SLOT_MS,
    slots,
    inFlight: HOSTILE,
    process,
    engines,
  };
}

/** A history whose names are markup. */
function history() {
  const tally = newTally();
  recordRequest(tally, { duration: 5, status: 500, traceId: HOSTILE_TRACE, kept: true });
  const at = Math.floor(Date.now() / 60_000) * 60_000;
  const slots = { [HOSTILE]: { limit: 1, inFlight: 1, waiting: 0 } };
  const levels = { cpu: 0, loop: 0, rss: 1, inFlight: 1, waiting: 0, slots };
  const counts = { allowed: 0, rejected: 0, rejectedInFlight: 0, hits: 0, lookups: 0 };
  return {
    service: HOSTILE,
    points: [{ at, instances: 1, total: tally, counts, levels }],
    operations: { [HOSTILE]: tally },
  };
}

const trace = { traceId: HOSTILE_TRACE, operation: HOSTILE, service: HOSTILE, startTime: Date.now(), duration: 12 };

/** What it answers, by path. */
const ANSWERS: Readonly<Record<string, () => object>> = {
  '/api/v1/system/pulse': pulse,
  '/api/v1/system/history': history,
  '/api/v1/system/history/events': () => ({
    events: [{ at: Date.now(), kind: HOSTILE, service: HOSTILE, instance: HOSTILE, text: HOSTILE }],
  }),
  '/api/v1/system/traces': () => ({ traces: [{ ...trace, status: HOSTILE, statusCode: HOSTILE, route: HOSTILE }] }),
  [`/api/v1/system/traces/${HOSTILE_TRACE}`]: () => ({
    trace: { ...trace, status: HOSTILE, droppedSpans: 0, spans: [span('a'), span('b', 'c'), span('c', 'b')] },
  }),
  '/api/v1/system/cache': () => ({
    hottest: { keys: [{ key: HOSTILE, lookups: 1, misses: 0, error: 0 }], tags: [{ tag: HOSTILE, hits: 1, error: 0 }] },
    invalidations: [{ at: Date.now(), kind: HOSTILE, name: HOSTILE, soft: false, by: HOSTILE, removed: HOSTILE }],
    deliveries: [{ at: Date.now(), kind: 'key', name: HOSTILE, soft: false, by: HOSTILE, peers: { [HOSTILE]: null } }],
  }),
  '/api/v1/system/queries': () => ({
    service: HOSTILE,
    statements: [{ fingerprint: HOSTILE, calls: 1, errors: 1, totalTime: 1, p95: 1, maxTime: 1, rows: 1 }],
    slow: [{ fingerprint: HOSTILE, duration: 1, at: Date.now(), route: HOSTILE, traceId: HOSTILE, plan: [HOSTILE] }],
    repeated: [{ fingerprint: HOSTILE, count: 9, route: HOSTILE, location: HOSTILE, traceId: HOSTILE }],
  }),
  '/health': () => ({
    status: HOSTILE,
    checks: { [HOSTILE]: [{ componentType: HOSTILE, status: HOSTILE, output: HOSTILE, time: HOSTILE }] },
  }),
};

export interface RogueService {
  readonly port: number;
  close(): Promise<void>;
}

export async function startRogue(): Promise<RogueService> {
  const server: Server = createServer((req, res) => {
    const answer = ANSWERS[(req.url ?? '').split('?', 1)[0]!];
    res.writeHead(answer === undefined ? 404 : 200, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(answer?.() ?? {}));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
