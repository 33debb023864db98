/** Which instances there are: as the orchestrator tells, with what this gateway's router knows of each. */
import type { TargetStats } from '../../src/index.js';
import type { ServiceContext } from '../support/service.js';
import type { ServiceName } from '../support/fleet.js';
import { askInstance } from './ask-instance.js';

/** An instance as the orchestrator lists it; more members may come with it, and go on to the page. */
export interface InstanceRecord {
  readonly service: string;
  readonly id: string;
  readonly host: string;
  /** 0 until it listens. */
  readonly port: number;
  readonly state: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly reason: string | null;
}

/** What routing knows of an instance: whether it gets requests, and why not. */
export type RoutingView = Pick<TargetStats, 'state' | 'circuit' | 'inFlight' | 'requests' | 'failures' | 'ejections'>;

export interface FleetInstance extends InstanceRecord {
  /** Null where this gateway does not route to it: itself, or what is not ready. */
  readonly routing: RoutingView | null;
}

export interface FleetListing {
  readonly instances: readonly FleetInstance[];
  /** Whether the orchestrator answered; without it the list is what the gateway routes to. */
  readonly isOrchestrated: boolean;
}

const ORCHESTRATOR = 'orchestrator' satisfies ServiceName;

type Parts = Pick<ServiceContext, 'peers' | 'controlToken'>;

/** States in which an instance answers. */
const RUNNING = new Set(['ready', 'draining']);

/** Whether an instance can be asked. */
export function isRunning({ state, port }: InstanceRecord): boolean {
  return RUNNING.has(state) && port !== 0;
}

export async function listInstances({ peers, controlToken }: Parts): Promise<FleetListing> {
  const routing = new Map<string, TargetStats & { service: string }>();
  for (const { service, instances } of Object.values(peers.router.getRoutingStats()))
    for (const target of instances) routing.set(`${service} ${target.port}`, { ...target, service });

  const known = [...routing.values()];
  const orchestrator = known.find(({ service }) => service === ORCHESTRATOR);
  const told = orchestrator && (await ask(orchestrator, controlToken));
  const records = told ?? known.filter(({ service }) => service !== ORCHESTRATOR).map(recordOf);
  const all = orchestrator === undefined ? records : [...records, recordOf(orchestrator, told !== undefined)];
  return {
    isOrchestrated: told !== undefined,
    instances: all.map((one) => ({ ...one, routing: viewOf(routing.get(`${one.service} ${one.port}`)) })),
  };
}

async function ask(
  target: TargetStats,
  controlToken: string | undefined,
): Promise<readonly InstanceRecord[] | undefined> {
  try {
    const path = '/api/v1/system/instances';
    return (await askInstance<{ instances: InstanceRecord[] }>(target, path, { controlToken }))?.instances;
  } catch {
    return undefined; // told in the listing: the page says so
  }
}

/** What the gateway alone knows of an instance. */
function recordOf({ service, host, port }: TargetStats & { service: string }, isReady?: unknown): InstanceRecord {
  const id = service === ORCHESTRATOR ? service : `${service} ${host}:${port}`;
  const state = isReady === false ? 'unreachable' : 'ready';
  return { service, id, host, port, state, pid: null, restarts: 0, reason: null };
}

function viewOf(target: TargetStats | undefined): RoutingView | null {
  if (target === undefined) return null;
  const { state, circuit, inFlight, requests, failures, ejections } = target;
  return { state, circuit, inFlight, requests, failures, ejections };
}
