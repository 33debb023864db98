/**
 * Opens the scaling manager and the decision engine, and connects them by the scaling loop if automatic scaling is on.
 */
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
import { loadSampler } from './load-sample.js';
import { loggedHistory } from './logged-history.js';

export interface ScalingSetUp {
  readonly config: FleetConfig;
  readonly policies: Readonly<Record<string, ScalingPolicy>>;
  readonly driver: ScalingDriver;
  /** Detects instances that no longer answer. */
  readonly monitor: HealthMonitor;
  /** Milliseconds that such an instance may continue without progress. */
  readonly stallWindow?: number | undefined;
  readonly settleTime?: number | undefined;
  readonly log: () => Logger;
}

export interface Scaling {
  readonly manager: HorizontalScalingManager;
  readonly engine: AutoScalingDecisionEngine;
  /** Undefined if automatic scaling is off. */
  readonly loop: ScalingLoop | undefined;
}

/** Default time in which the gateway and the service clients learn of a change of the instances, in ms. */
const SETTLE_TIME = 1_000;

export function openScaling(setUp: ScalingSetUp): Scaling {
  const engine = openEngine(setUp);
  const manager = openManager(setUp, engine);
  return { manager, engine, loop: openLoop(setUp, manager, engine) };
}

function openManager(
  { config, policies, driver, monitor, stallWindow, settleTime = SETTLE_TIME, log }: ScalingSetUp,
  engine: AutoScalingDecisionEngine,
): HorizontalScalingManager {
  return new HorizontalScalingManager({
    driver,
    monitor,
    replaceUnhealthy: true,
    ...(stallWindow !== undefined && { stallWindow }),
    demandOf: (service, instance) => engine.demandOf(service, instance),
    settleTime,
    history: loggedHistory(
      sqliteScalingHistory({
        path: join(config.DATA_DIR, 'scaling-history.sqlite'),
        onError: (err) => log().warn({ err }, 'the scaling history could not be written'),
      }),
      log,
    ),
    services: Object.fromEntries(
      MANAGED_SERVICES.map((service) => {
        const { min, max } = widest(policies[service] ?? {});
        const fixedPort = service === 'web'; // callers know only one address
        return [service, { port: portOf(config, service), min, fixedPort, ...(max !== undefined && { max }) }];
      }),
    ),
  });
}

/** The bounds of the manager: the widest bounds of the schedule. The engine decides within them. */
function widest({ min = 1, max, schedule = [] }: ScalingPolicy): { min: number; max: number | undefined } {
  const scheduled = schedule.flatMap((span) => [span.max ?? 0, span.min ?? 0]);
  return {
    min: Math.min(min, ...schedule.map((span) => span.min ?? min)),
    max: max === undefined ? undefined : Math.max(max, ...scheduled),
  };
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
    sample: loadSampler((service, port) => manager.getInstanceDetails(service).find((one) => one.port === port)?.id),
    onError: (err, service) => log().warn({ err, scaled: service }, 'scaling failed'),
  });
}
