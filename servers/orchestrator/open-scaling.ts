/** What runs the fleet's instances and decides how many there are, joined by the loop where the settings ask for one. */
import { join } from 'node:path';
import {
  AutoScalingDecisionEngine,
  HorizontalScalingManager,
  ScalingLoop,
  sqliteScalingHistory,
  type HealthMonitor,
  type ScalingDriver,
  type ScalingPolicy,
} from '../../src/index.js';
import { portOf, type FleetConfig } from '../support/config.js';
import { MANAGED_SERVICES } from '../support/fleet.js';
import type { Logger } from '../support/logger.js';
import { sampleLoad } from './load-sample.js';

export interface ScalingSetUp {
  readonly config: FleetConfig;
  readonly policies: Readonly<Record<string, ScalingPolicy>>;
  readonly driver: ScalingDriver;
  /** Notices instances that do not answer any more. */
  readonly monitor: HealthMonitor;
  readonly log: () => Logger;
}

export interface Scaling {
  readonly manager: HorizontalScalingManager;
  readonly engine: AutoScalingDecisionEngine;
  /** Undefined where the fleet does not scale itself. */
  readonly loop: ScalingLoop | undefined;
}

/** Within this time the gateway and the service clients have heard of a change of the instances, in ms. */
const SETTLE_TIME = 1_000;

export function openScaling(setUp: ScalingSetUp): Scaling {
  const manager = openManager(setUp);
  const engine = openEngine(setUp);
  return { manager, engine, loop: openLoop(setUp, manager, engine) };
}

function openManager({ config, policies, driver, monitor, log }: ScalingSetUp): HorizontalScalingManager {
  return new HorizontalScalingManager({
    driver,
    monitor,
    replaceUnhealthy: true,
    settleTime: SETTLE_TIME,
    history: sqliteScalingHistory({
      path: join(config.DATA_DIR, 'scaling-history.sqlite'),
      onError: (err) => log().warn({ err }, 'the scaling history could not be written'),
    }),
    services: Object.fromEntries(
      MANAGED_SERVICES.map((service) => {
        const { min = 1, max } = policies[service] ?? {};
        return [service, { port: portOf(config, service), min, ...(max !== undefined && { max }) }];
      }),
    ),
  });
}

function openEngine({ policies, log }: ScalingSetUp): AutoScalingDecisionEngine {
  const engine = new AutoScalingDecisionEngine();
  for (const [service, policy] of Object.entries(policies)) engine.setScalingPolicy(service, policy);
  engine.onScalingDecision(({ service, action, current, desired, reason }) =>
    log().info({ scaled: service, action, current, desired, reason }, 'scaling'),
  );
  return engine;
}

function openLoop(
  { config, log }: ScalingSetUp,
  manager: HorizontalScalingManager,
  engine: AutoScalingDecisionEngine,
): ScalingLoop | undefined {
  const interval = config.SCALING_INTERVAL_MS;
  if (interval === 0) return undefined;
  return new ScalingLoop({
    engine,
    manager,
    interval,
    sample: sampleLoad,
    onError: (err, service) => log().warn({ err, scaled: service }, 'scaling could not do what it should'),
  });
}
