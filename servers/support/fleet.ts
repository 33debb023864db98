/** The fleet's plan: which services there are, on which port each has always been, and which paths belong to it. */

export interface ServicePlan {
  /** The port it has always had; `<NAME>_PORT` overrides it, further instances stand at +10, +20, … */
  readonly port: number;
  /** Path prefixes the gateway forwards to it. */
  readonly prefixes: readonly string[];
  /** What it is for, in one line: the start table and `/api/v1/system/routes` show it. */
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
    prefixes: ['/api/v1/providers', '/api/v1/budget'],
    purpose: 'model providers, their cost and their limits',
  },
  coach: { port: 3004, prefixes: ['/api/v1/auto-coach'], purpose: 'drives training rounds by itself' },
  segmentation: { port: 3007, prefixes: ['/api/v1/segmentation'], purpose: 'finds the topics of a conversation' },
  reports: { port: 3008, prefixes: ['/api/v1/reports'], purpose: 'reports over what the others hold' },
  capabilities: { port: 3009, prefixes: ['/api/v1/capabilities'], purpose: 'what the running services offer' },
  orchestrator: { port: 3100, prefixes: [], purpose: 'starts, watches and restarts the others' },
} as const satisfies Record<string, ServicePlan>;

export type ServiceName = keyof typeof FLEET;

/** Every name, in the order of the ports. */
export const SERVICE_NAMES = Object.keys(FLEET) as readonly ServiceName[];

/** The eight services the orchestrator runs. */
export const MANAGED_SERVICES = SERVICE_NAMES.filter((name) => name !== 'orchestrator');

/** The environment variable that overrides a service's port. */
export function portVariable(name: ServiceName): `${Uppercase<ServiceName>}_PORT` {
  return `${name.toUpperCase() as Uppercase<ServiceName>}_PORT`;
}

/** The service a caller means by `training` or `training-server`; undefined when there is none. */
export function serviceNamed(text: string): ServiceName | undefined {
  const name = text.replace(/-server$/, '');
  return SERVICE_NAMES.find((one) => one === name);
}
