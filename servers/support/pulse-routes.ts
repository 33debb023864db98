/**
 * `/api/v1/system/pulse` of each server. The control room requests it every two seconds while a viewer is connected.
 */
import * as z from 'zod';
import type { DistributedTracer } from '../../src/index.js';
import type { ServiceName } from './fleet.js';
import { SLOT_MS, type Pulse, type PulseSlot } from './pulse.js';
import { RouteTable } from './route-table.js';

/** Resources used by the process so far. The difference of two readings is the use in between. */
export interface ProcessFigures {
  /** Milliseconds of processor time, and milliseconds since the process started. */
  readonly cpu: number;
  readonly uptime: number;
  /** Milliseconds that the event loop was busy and idle. */
  readonly loopActive: number;
  readonly loopIdle: number;
  /** Bytes. */
  readonly rss: number;
  readonly heapUsed: number;
}

/** The response body, beside `ok`. */
export interface PulseReading {
  readonly service: ServiceName;
  readonly instance: string;
  readonly pid: number;
  /** Length of a slot in milliseconds. */
  readonly slotMs: number;
  readonly slots: readonly PulseSlot[];
  readonly inFlight: number;
  readonly process: ProcessFigures;
  /** The figures of the engines, as far as the control room shows them. */
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

/** Engines shown on the page; `queries` and `routing` have their own routes and views. */
const SHOWN = ['pool', 'cache', 'responses', 'rateLimiter', 'concurrency', 'rejections', 'coordination'] as const;

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
    {
      summary: 'The activity of the service in the last seconds, recorded while it is being read',
      query,
      control: true,
    },
    ({ query: { since } }): PulseReading => {
      const told = engines();
      return {
        service: name,
        instance: instance ?? name,
        pid: process.pid,
        slotMs: SLOT_MS,
        slots: pulse.read(since),
        inFlight: tracer.getMetrics().activeTraces - 1, // excludes this request itself
        process: processFigures(),
        engines: Object.fromEntries(SHOWN.flatMap((engine) => (told[engine] ? [[engine, told[engine]]] : []))),
      };
    },
  );
}
