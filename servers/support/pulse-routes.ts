/** `/api/v1/system/pulse` of every server: what the control room asks it every other second while somebody looks. */
import { z } from 'zod';
import type { DistributedTracer } from '../../src/index.js';
import type { ServiceName } from './fleet.js';
import { SLOT_MS, type Pulse, type PulseSlot } from './pulse.js';
import { RouteTable } from './route-table.js';

/** What the process used so far: two readings tell what it used between them. */
export interface ProcessFigures {
  /** Milliseconds of processor time, and since the process began. */
  readonly cpu: number;
  readonly uptime: number;
  /** Milliseconds the event loop was busy and idle. */
  readonly loopActive: number;
  readonly loopIdle: number;
  /** Bytes. */
  readonly rss: number;
  readonly heapUsed: number;
}

/** The answer, beside `ok`. */
export interface PulseReading {
  readonly service: ServiceName;
  readonly instance: string;
  readonly pid: number;
  /** Milliseconds a slot is long. */
  readonly slotMs: number;
  readonly slots: readonly PulseSlot[];
  readonly inFlight: number;
  readonly process: ProcessFigures;
  /** What its engines tell of themselves, as far as the control room shows it. */
  readonly engines: Readonly<Record<string, object>>;
}

export interface PulseParts {
  readonly name: ServiceName;
  readonly instance: string | undefined;
  readonly pulse: Pulse;
  readonly tracer: Pick<DistributedTracer, 'getMetrics'>;
  readonly controlToken: string | undefined;
  readonly engines: () => Record<string, object>;
}

/** Shown on the page; `queries` and `routing` have routes, and views, of their own. */
const SHOWN = ['pool', 'cache', 'responses', 'rateLimiter', 'concurrency', 'coordination'] as const;

const query = z.object({ since: z.coerce.number().int().min(0).default(0) });

function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  const { active, idle } = performance.eventLoopUtilization();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    cpu: (user + system) / 1000,
    uptime: process.uptime() * 1000,
    loopActive: active,
    loopIdle: idle,
    rss,
    heapUsed,
  };
}

export function pulseRoutes({ name, instance, pulse, tracer, controlToken, engines }: PulseParts): RouteTable {
  return new RouteTable('/api/v1/system', controlToken).get(
    '/pulse',
    { summary: 'What the service did in the last seconds, recorded while somebody asks', query, control: true },
    ({ query: { since } }): PulseReading => {
      const told = engines();
      return {
        service: name,
        instance: instance ?? name,
        pid: process.pid,
        slotMs: SLOT_MS,
        slots: pulse.read(since),
        inFlight: tracer.getMetrics().activeTraces - 1, // without this very request
        process: processFigures(),
        engines: Object.fromEntries(SHOWN.flatMap((engine) => (told[engine] ? [[engine, told[engine]]] : []))),
      };
    },
  );
}
