/** The services of the fleet, with their default ports and the path prefixes they serve. */

export interface ServicePlan {
  /** Default port. `<NAME>_PORT` overrides it. Further instances use +10, +20, … */
  readonly port: number;
  /** Path prefixes that the gateway forwards to the service. */
  readonly prefixes: readonly string[];
  /** Purpose in one line, shown in the start table and by `/api/v1/system/routes`. */
  readonly purpose: string;
}

export const FLEET = {
  web: { port: 3000, prefixes: [], purpose: 'gateway to the others, and the pages' },
  training: {
    port: 3001,
    prefixes: ['/api/v1/training', '/api/v1/challenges', '/api/v1/feedback'],
    purpose: 'training sessions, challenges, feedback',
  },
  meta: { port: 3002, prefixes: ['/api/v4/meta-learning'], purpose: 'how well the learning itself goes' },
  budget: {
    port: 3003,
    prefixes: ['/api/v1/providers', '/api/v1/budget', '/api/v1/chat'],
    purpose: 'model providers, their cost and their limits',
  },
  coach: { port: 3004, prefixes: ['/api/v1/auto-coach'], purpose: 'drives training rounds by itself' },
  segmentation: { port: 3007, prefixes: ['/api/v1/segmentation'], purpose: 'finds the topics of a conversation' },
  reports: { port: 3008, prefixes: ['/api/v1/reports'], purpose: 'reports over the data of the other services' },
  capabilities: { port: 3009, prefixes: ['/api/v1/capabilities'], purpose: 'the capabilities of the running services' },
  orchestrator: { port: 3100, prefixes: [], purpose: 'starts, watches and restarts the others' },
} as const satisfies Record<string, ServicePlan>;

export type ServiceName = keyof typeof FLEET;

/** All service names, in the order of their ports. */
export const SERVICE_NAMES = Object.keys(FLEET) as readonly ServiceName[];

/** The eight services that the orchestrator runs. */
export const MANAGED_SERVICES = SERVICE_NAMES.filter((name) => name !== 'orchestrator');

/** The environment variable that overrides the port of a service. */
export function portVariable(name: ServiceName): `${Uppercase<ServiceName>}_PORT` {
  return `${name.toUpperCase() as Uppercase<ServiceName>}_PORT`;
}

/** Finds a service by `training` or `training-server`; undefined if there is no such service. */
export function serviceNamed(text: string): ServiceName | undefined {
  const name = text.replace(/-server$/, '');
  return SERVICE_NAMES.find((one) => one === name);
}
