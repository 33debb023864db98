/** The parts of Kubernetes API objects that scaling reads. All members that are not required may be absent. */
import type { Replica } from '../driver.js';

export interface Deployment {
  readonly metadata?: { readonly generation?: number };
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: ReadonlyArray<Condition & { readonly reason?: string; readonly message?: string }>;
  };
}

export interface Scale {
  readonly status?: { readonly selector?: string };
}

interface Condition {
  readonly type: string;
  readonly status: string;
}

export interface Pod {
  readonly metadata?: { readonly name?: string; readonly deletionTimestamp?: string };
  readonly spec?: {
    readonly containers?: ReadonlyArray<{ readonly ports?: ReadonlyArray<{ readonly containerPort: number }> }>;
  };
  readonly status?: { readonly phase?: string; readonly podIP?: string; readonly conditions?: readonly Condition[] };
}

export interface PodList {
  readonly items?: readonly Pod[];
}

/** The progress of a deployment towards a number of replicas, as in `kubectl rollout status`. */
export function progressOf(
  { metadata, status = {} }: Deployment,
  count: number,
): 'done' | 'under way' | { stuck: string } {
  // The status may belong to an older order, and then does not describe this one.
  if ((status.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return 'under way';
  const late = status.conditions?.find(
    ({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded',
  );
  if (late !== undefined) return { stuck: late.message ?? 'its progress deadline is over' };
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  return replicas === count && updatedReplicas === count && availableReplicas === count ? 'done' : 'under way';
}

/** Converts a pod to a replica; undefined for a pod that has ended. */
export function replicaOf({ metadata, spec, status }: Pod): Replica | undefined {
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return undefined;
  const isReady = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
  return {
    id: metadata?.name ?? '',
    host: status?.podIP ?? '',
    port: spec?.containers?.[0]?.ports?.[0]?.containerPort ?? 0,
    state: metadata?.deletionTimestamp !== undefined ? 'draining' : isReady ? 'ready' : 'starting',
  };
}
