/**
 * The scaling policy of each service: the fleet's defaults, overridden by the settings, overridden by the policy file.
 */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import * as z from 'zod';
import { AutoScalingDecisionEngine, type ScalingPolicy } from '../../src/index.js';
import { ConfigError, defaultOf, type FleetConfig } from '../support/config.js';
import { MANAGED_SERVICES, serviceNamed, type ServiceName } from '../support/fleet.js';

const policyFile = z.strictObject({
  /** For all services. */
  defaults: z.record(z.string(), z.unknown()).optional(),
  /** For one service, by name. */
  services: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
});

/**
 * Share of the allowed concurrent provider calls at which an instance counts as busy, so that another one is started.
 */
const BUSY = 0.6;

/** Default maximum of instances: one per core, and two on a machine with one core, because some wait for others. */
const MOST = Math.max(2, availableParallelism());

/** The differences by kind of service. A service that calls slow providers is slow without being overloaded. */
function natureOf(service: ServiceName, config: FleetConfig): ScalingPolicy {
  if (service === 'web') return { min: 1, max: 1 }; // its callers know only one address
  if (service === 'budget')
    return { p99: false, inFlight: { target: Math.max(1, BUSY * config.PROVIDER_MAX_IN_FLIGHT) } };
  return service === 'coach' ? { p99: false } : {};
}

/**
 * The policy of each service.
 *
 * @throws ConfigError for an unreadable file, an unknown service, or an invalid policy
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
  if (!existsSync(path)) {
    if (path !== defaultOf('SCALING_POLICIES_FILE'))
      throw new ConfigError(`SCALING_POLICIES_FILE: there is no file ${path}`);
    return { defaults: {}, services: new Map() };
  }
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

/** Validates with the rules of the engine, by creating one and discarding it. */
function checkPolicy(policy: ScalingPolicy, who: string): void {
  try {
    new AutoScalingDecisionEngine().setScalingPolicy('any', policy);
  } catch (error) {
    throw new ConfigError(`${who}: ${(error as Error).message}`, { cause: error });
  }
}
