/** The list of instances from the orchestrator, with the state of each in this gateway's router. */
import type { TargetStats } from '../../src/index.js';
import type { ServiceContext } from '../support/service.js';
import type { ServiceName } from '../support/fleet.js';
import type { WorkerGroup } from '../workers/worker-group.js';
import { askInstance } from '../support/ask-instance.js';

/** An instance as listed by the orchestrator. Other members are passed on to the page. */
export interface InstanceRecord {
  readonly service: string;
  readonly id: string;
  readonly host: string;
  /** 0 until the instance listens. */
  readonly port: number;
  readonly state: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly reason: string | null;
}

/** The routing state of an instance: whether it receives requests, and if not, why. */
export type RoutingView = Pick<TargetStats, 'state' | 'circuit' | 'inFlight' | 'requests' | 'failures' | 'ejections'>;

export interface FleetInstance extends InstanceRecord {
  /** Null if this gateway does not route to the instance: the gateway itself, or an instance that is not ready. */
  readonly routing: RoutingView | null;
}

export interface FleetListing {
  readonly instances: readonly FleetInstance[];
  /** Whether the orchestrator answered. If not, the list contains the instances that the gateway routes to. */
  readonly isOrchestrated: boolean;
  /** Services that this gateway should route to, but that have no instance. */
  readonly missing: readonly string[];
}

/** The last list of the orchestrator. While it does not answer, the instances keep their names. */
const lastTold = new WeakMap<object, readonly InstanceRecord[]>();

const ORCHESTRATOR = 'orchestrator' satisfies ServiceName;

type Parts = Pick<ServiceContext, 'peers' | 'controlToken' | 'workers'>;

/** States in which an instance answers requests. */
const RUNNING = new Set(['ready', 'draining']);

/** Whether an instance can answer requests. */
export function isRunning({ state, port }: InstanceRecord): boolean {
  return RUNNING.has(state) && port !== 0;
}

export async function listInstances({ peers, controlToken, workers }: Parts): Promise<FleetListing> {
  const routing = new Map<string, TargetStats & { service: string }>();
  for (const { service, instances } of Object.values(peers.router.getRoutingStats()))
    for (const target of instances) routing.set(`${service} ${target.port}`, { ...target, service });

  const known = [...routing.values()];
  const orchestrator = known.find(({ service }) => service === ORCHESTRATOR);
  const told = orchestrator && (await ask(orchestrator, controlToken));
  if (told !== undefined) lastTold.set(peers.router, told);
  const records = told ?? withKnownNames(known, lastTold.get(peers.router) ?? []);
  const others = orchestrator === undefined ? [] : [recordOf(orchestrator, told !== undefined)];
  const all = [...records.flatMap((one) => withWorkers(one, workers)), ...others];
  const present = new Set(all.map(({ service }) => service));
  return {
    isOrchestrated: told !== undefined,
    missing: Object.keys(peers.router.getRoutingStats()).filter(
      (service) => !present.has(service) && service !== 'web',
    ),
    instances: all.map((one) => ({ ...one, routing: viewOf(routing.get(`${one.service} ${one.port}`)) })),
  };
}

/** In place of this web server, its workers: each has figures, logs, traces and a cache of its own. */
function withWorkers(record: InstanceRecord, workers: WorkerGroup | undefined): readonly InstanceRecord[] {
  const isOwn = record.service === 'web' && (record.id === workers?.name || record.port === workers?.publicPort);
  if (workers === undefined || !isOwn || !isRunning(record)) return [record];
  return workers.members.map((member) => ({ ...record, ...member, host: '127.0.0.1' }));
}

function withKnownNames(
  targets: ReadonlyArray<TargetStats & { service: string }>,
  before: readonly InstanceRecord[],
): InstanceRecord[] {
  return targets
    .filter(({ service }) => service !== ORCHESTRATOR)
    .map((target) => {
      const named = before.find(({ service, port }) => service === target.service && port === target.port);
      return { ...recordOf(target), ...(named && { id: named.id, pid: named.pid, restarts: named.restarts }) };
    });
}

async function ask(
  target: TargetStats,
  controlToken: string | undefined,
): Promise<readonly InstanceRecord[] | undefined> {
  try {
    const path = '/api/v1/system/instances';
    return (await askInstance<{ instances: InstanceRecord[] }>(target, path, { controlToken }))?.instances;
  } catch {
    return undefined; // the listing reports it, and the page shows it
  }
}

/** The gateway's own knowledge of an instance. */
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
