/** How each service is scaled: the defaults of the fleet, over them the settings, over them the file of policies. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { AutoScalingDecisionEngine, type ScalingPolicy } from '../../src/index.js';
import { ConfigError, type FleetConfig } from '../support/config.js';
import { MANAGED_SERVICES, serviceNamed, type ServiceName } from '../support/fleet.js';

const policyFile = z.strictObject({
  /** Of every service. */
  defaults: z.record(z.string(), z.unknown()).optional(),
  /** Of one, by its name. */
  services: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
});

/** Share of the calls to providers that an instance has in flight when it should get company. */
const BUSY = 0.6;

/** The most instances where nothing is said: one a core, and two on a machine of one, where some wait for others. */
const MOST = Math.max(2, availableParallelism());

/** What differs by the nature of a service. Those that ask slow providers are slow without being overloaded. */
function natureOf(service: ServiceName, config: FleetConfig): ScalingPolicy {
  if (service === 'web') return { min: 1, max: 1 }; // its callers know one address: another would not be found
  if (service === 'budget')
    return { p99: false, inFlight: { target: Math.max(1, BUSY * config.PROVIDER_MAX_IN_FLIGHT) } };
  return service === 'coach' ? { p99: false } : {};
}

/**
 * The policy of each service.
 *
 * @throws ConfigError for a file that cannot be read, a service that is none, or a policy that does not hold
 */
export function readPolicies(config: FleetConfig): Record<string, ScalingPolicy> {
  const { SCALING_MIN: min, SCALING_MAX: max = Math.max(MOST, min), SCALING_POLICIES_FILE: path } = config;
  const { defaults, services } = readFile(path);
  for (const name of services.keys())
    if (!MANAGED_SERVICES.some((one) => one === name)) throw new ConfigError(`${path}: there is no service '${name}'`);
  return Object.fromEntries(
    MANAGED_SERVICES.map((service) => {
      const policy = { min, max, ...natureOf(service, config), ...defaults, ...services.get(service) };
      checkPolicy(policy, `${path}: ${service}`);
      return [service, policy];
    }),
  );
}

function readFile(path: string): { defaults: ScalingPolicy; services: Map<string, ScalingPolicy> } {
  if (!existsSync(path)) return { defaults: {}, services: new Map() };
  try {
    const { defaults = {}, services = {} } = policyFile.parse(JSON.parse(readFileSync(path, 'utf8')));
    return {
      defaults,
      services: new Map(Object.entries(services).map(([name, policy]) => [serviceNamed(name) ?? name, policy])),
    };
  } catch (error) {
    throw new ConfigError(`${path}: expected { "defaults": { … }, "services": { "<name>": { … } } }`, { cause: error });
  }
}

/** The engine's own rules decide; one that is thrown away is asked. */
function checkPolicy(policy: ScalingPolicy, who: string): void {
  try {
    new AutoScalingDecisionEngine().setScalingPolicy('any', policy);
  } catch (error) {
    throw new ConfigError(`${who}: ${(error as Error).message}`, { cause: error });
  }
}
