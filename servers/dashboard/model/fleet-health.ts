/** The worst state of the fleet, for the header, the title and the icon of the page. */
import type { FrameInstance, Frame } from '../../web/fleet-sampler.js';

/**
 * The most important state of an instance. A state other than `ready` from the orchestrator comes first, then `silent`,
 * then the state in the gateway's routing.
 */
export function stateOf({ state, figures, routing }: Pick<FrameInstance, 'state' | 'figures' | 'routing'>): string {
  if (state !== 'ready') return state;
  if (figures === null) return 'silent';
  return routing === null || routing.state === 'usable' ? state : routing.state;
}

/** States in which an instance is on its way up or down, as intended. */
const INTENDED = new Set(['ready', 'starting', 'warming', 'waiting', 'draining', 'stopped', 'probing']);

export type Severity = 'good' | 'warn' | 'bad';

export const SEVERITY_SIGNS: Readonly<Record<Severity, string>> = { good: '●', warn: '▲', bad: '✕' };

export interface FleetHealth {
  readonly severity: Severity;
  /** Instances that serve, and all that there are. */
  readonly ready: number;
  readonly total: number;
  /** The worst first. */
  readonly problems: readonly Problem[];
}

export interface Problem {
  /** A sentence without its period. */
  readonly text: string;
  /** The instance to look at, if there is one. */
  readonly instance?: string;
}

export function fleetHealth({ instances, missing, isOrchestrated }: Frame): FleetHealth {
  const services = new Map<string, FrameInstance[]>();
  for (const one of instances) services.set(one.service, [...(services.get(one.service) ?? []), one]);
  const down = [...services].filter(([, members]) => !members.some((one) => stateOf(one) === 'ready'));
  const isDown = new Set(down.map(([service]) => service));
  const ill = instances.filter((one) => !isDown.has(one.service) && !INTENDED.has(stateOf(one)));
  const problems: Problem[] = [
    ...missing.map((service) => ({ text: `${service} has no instance` })),
    ...down.map(([service, [first]]) => ({
      text: service === 'orchestrator' ? 'the orchestrator does not answer' : `${service} is down`,
      instance: first!.id,
    })),
    ...ill.map((one) => ({ text: `${one.id} is ${stateOf(one)}`, instance: one.id })),
  ];
  const isBad = missing.length > 0 || [...isDown].some((service) => service !== 'orchestrator');
  return {
    severity: isBad ? 'bad' : problems.length > 0 || !isOrchestrated ? 'warn' : 'good',
    ready: instances.filter((one) => stateOf(one) === 'ready').length,
    total: instances.length,
    problems,
  };
}
