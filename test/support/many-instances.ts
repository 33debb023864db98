/** Fifty instances that only answer the requests of the control room, and the orchestrator that lists them. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CacheReading } from '../../servers/support/cache-routes.js';
import { logQuery, searchLogs } from '../../servers/support/log-search.js';
import { LogTail } from '../../servers/support/log-tail.js';
import type { PulseReading } from '../../servers/support/pulse-routes.js';
import { SLOT_MS } from '../../servers/support/pulse.js';
import { newTally, record } from '../../servers/support/tally.js';
import type { InstanceRecord } from '../../servers/web/fleet-instances.js';
import { SERVICE_NAMES } from '../../servers/support/fleet.js';

export const INSTANCES = 50;
export const TRACES_EACH = 200;
const LINES_EACH = 200;

const SERVICES = SERVICE_NAMES.filter((name) => name !== 'web' && name !== 'orchestrator');
const ROUTES = 8;
/** Milliseconds between the traces of one instance. */
const PACE = 1_000;

export interface ManyInstances {
  readonly orchestratorPort: number;
  /** Questions for a pulse so far, of all instances. */
  readonly pulses: () => number;
  close(): Promise<void>;
}

/** The service of the nth instance. */
export function serviceOf(n: number): (typeof SERVICES)[number] {
  return SERVICES[n % SERVICES.length]!;
}

export async function startManyInstances(): Promise<ManyInstances> {
  let pulses = 0;
  const begun = Date.now();
  const answer = (n: number, url: URL): object | undefined => {
    if (url.pathname === '/api/v1/system/pulse') {
      pulses++;
      return pulseOf(n, Number(url.searchParams.get('since')));
    }
    if (url.pathname === '/api/v1/system/traces') return { traces: tracesOf(n, begun, url.searchParams) };
    if (url.pathname === '/api/v1/system/queries') return queriesOf(n);
    if (url.pathname === '/api/v1/system/cache') return cacheOf(n, begun);
    return undefined;
  };
  const servers = await Promise.all(Array.from({ length: INSTANCES }, (_, n) => serve((url) => answer(n, url))));
  const instances = servers.map((server, n) => recordOf(n, portOf(server)));
  const logs = logsOf(instances, begun);
  const orchestrator = await serve(({ pathname, searchParams }) => {
    if (pathname === '/api/v1/system/instances') return { instances };
    if (pathname === '/api/v1/system/logs') return searchLogs(logs, logQuery.parse(Object.fromEntries(searchParams)));
    if (pathname !== '/api/v1/system/pulse') return undefined;
    return { ...pulseOf(0, Number(searchParams.get('since'))), service: 'orchestrator', instance: 'orchestrator' };
  });
  return {
    orchestratorPort: portOf(orchestrator),
    pulses: () => pulses,
    async close() {
      await Promise.all([...servers, orchestrator].map(close));
    },
  };
}

async function serve(answer: (url: URL) => object | undefined): Promise<Server> {
  const server = createServer((req: IncomingMessage, res) => {
    const body = answer(new URL(req.url ?? '/', 'http://instance'));
    res.writeHead(body === undefined ? 404 : 200, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(body ?? {}));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

function recordOf(n: number, port: number): InstanceRecord {
  const service = serviceOf(n);
  const id = `${service}-${1 + Math.floor(n / SERVICES.length)}`;
  return { service, id, host: '127.0.0.1', port, state: 'ready', pid: 1000 + n, restarts: 0, reason: null };
}

function pulseOf(n: number, since: number): PulseReading {
  const last = Math.floor(Date.now() / SLOT_MS) - 1;
  const first = Math.max(since + 1, last - 2);
  const slots = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => {
    const requests = Object.fromEntries(Array.from({ length: ROUTES }, (__, route) => [`GET /${route}`, tally(n)]));
    return { slot: first + i, requests, calls: { [serviceOf(n + 1)]: tally(n) } };
  });
  const uptime = performance.now();
  const process = { cpu: uptime / 3, uptime, loopActive: uptime / 4, loopIdle: uptime, rss: 9e7, heapUsed: 4e7 };
  const stats = { totalRequests: uptime, allowedRequests: uptime, deniedRequests: n, allowRate: 1, waitingRequests: 0 };
  const busiest = [{ key: `192.0.2.${n}`, requests: 100 + n, denied: n, error: 0 }];
  const layer = { size: 100, hits: uptime, misses: n, hitRate: 0.9, evictions: 0, expirations: 0, bytes: 1e6 };
  return {
    service: serviceOf(n),
    instance: recordOf(n, 0).id,
    pid: 1000 + n,
    slotMs: SLOT_MS,
    slots,
    inFlight: n % 5,
    process,
    engines: {
      rateLimiter: { ...stats, busiest, store: { available: true, buckets: n } },
      cache: { memory: layer, layers: { disk: layer } },
      responses: { hits: uptime, misses: n, hitRate: 0.9 },
    },
  };
}

/** Many lines of each instance, all of the last seconds, each with a trace. */
function logsOf(instances: readonly InstanceRecord[], begun: number): LogTail {
  const logs = new LogTail((text) => text);
  for (let i = 0; i < LINES_EACH; i++)
    for (const [n, { service, id }] of instances.entries()) {
      const traceId = (i * INSTANCES + n).toString(16).padStart(32, '0');
      const time = new Date(begun - i).toISOString();
      logs.add(JSON.stringify({ level: 'info', time, msg: 'request', status: 200, traceId }), {
        service,
        instance: id,
      });
    }
  return logs;
}

function queriesOf(n: number): object {
  const statement = (i: number) => ({ fingerprint: `select ${i}`, calls: 9, errors: 0, totalTime: i + n, rows: 1 });
  const latency = { p95: 2, maxTime: 3 };
  const slow = (i: number) => ({ fingerprint: `select ${i}`, at: i, duration: 1_000, route: `/${i}` });
  return {
    service: serviceOf(n),
    statements: [
      ...Array.from({ length: 40 }, (_, i) => ({ ...statement(i), ...latency })),
      { ...statement(0), fingerprint: 'begin', ...latency },
    ],
    slow: Array.from({ length: 20 }, (_, i) => slow(i)),
    repeated: Array.from({ length: 20 }, (_, i) => ({ fingerprint: `select ${i}`, count: i + n })),
  };
}

function cacheOf(n: number, begun: number): CacheReading {
  const each = <T>(make: (i: number) => T): T[] => Array.from({ length: 20 }, (_, i) => make(i));
  const about = (i: number) => ({ at: begun - 60_000 * i, kind: 'tag', name: `tag ${n} ${i}`, soft: false }) as const;
  return {
    hottest: {
      keys: each((i) => ({ key: `key ${i}`, lookups: 100 * i + n, misses: n, error: 0 })),
      tags: each((i) => ({ tag: `tag ${i}`, hits: 100 * i + n, error: 0 })),
    },
    invalidations: each((i) => ({ ...about(i), by: undefined, removed: undefined })),
    deliveries: [],
  };
}

function tally(n: number) {
  const made = newTally();
  for (let i = 0; i < 20; i++) record(made, 1 + ((n + i) % 30), i > 0);
  return made;
}

function tracesOf(n: number, begun: number, query: URLSearchParams): object[] {
  const to = Number(query.get('to') ?? Infinity);
  const all = Array.from({ length: TRACES_EACH }, (_, i) => ({
    traceId: `${String(n).padStart(8, '0')}${String(i).padStart(24, '0')}`,
    spanId: '00f067aa0ba902b7',
    service: serviceOf(n),
    operation: `GET /${i % ROUTES}`,
    route: `/${i % ROUTES}`,
    status: 'success',
    statusCode: 200,
    startTime: begun - i * PACE - n,
    duration: 1 + ((n + i) % 30),
    spans: 5,
  }));
  return all.filter(({ startTime }) => startTime <= to).slice(0, Number(query.get('limit') ?? 50));
}
