/**
 * Scaling: deciding how many instances there should be, and running them.
 *
 * @module
 */
export {
  AutoScalingDecisionEngine,
  type AutoScalingDecisionEngineOptions,
  type LoadPrediction,
  type ScalingMetrics,
} from './auto-scaling-decision-engine.js';
export { type ForecastAdvice, type MetricAdvice, type ScalingAction, type ScalingDecision } from './decision.js';
export { type CallerDemand, type DemandReading, type InstanceDemand } from './demand.js';
export { type ProcessUsage } from './process-usage.js';
export { type InstanceCounts } from './fleet-samples.js';
export {
  type Figure,
  type InstanceSample,
  type LoadMetric,
  type ScalingMetric,
  type SymptomMetric,
} from './metrics.js';
export {
  type ChangeLimit,
  type LoadRule,
  type LoadTarget,
  type PerDirection,
  type PredictivePolicy,
  type ResolvedPolicy,
  type ScalingPolicy,
} from './policy.js';
export { childProcesses, EXIT_CONFIG, type ChildProcessesOptions, type InstanceCommand } from './child-processes.js';
export {
  type FoundInstance,
  type InstanceExit,
  type InstanceSpec,
  type Replica,
  type ReplicaDriver,
  type ReplicaStatus,
  type RunningInstance,
  type ScalingDriver,
} from './driver.js';
export { clusterWorkers, type ClusterWorkersOptions } from './cluster-workers.js';
export { type ProcessDriverOptions } from './process-driver.js';
export { HorizontalScalingManager } from './horizontal-scaling-manager.js';
export { type CommandOptions, type ScalingOutcome } from './managed-service.js';
export {
  type HorizontalScalingManagerOptions,
  type ScalingMonitor,
  type ScalingRouter,
  type ServiceOptions,
} from './manager-options.js';
export { type InstanceDetails } from './instance-group.js';
export {
  sqliteScalingHistory,
  type HistoryQuery,
  type ScalingEvent,
  type ScalingHistory,
  type ScalingRecord,
  type SqliteScalingHistoryOptions,
} from './scaling-history.js';
export {
  InstanceSupervisor,
  type InstanceSupervisorOptions,
  type StopOptions,
  type SupervisedState,
} from './instance-supervisor.js';
export { type RestartPolicy } from './restart-budget.js';
export { InstanceLoad, type InstanceLoadOptions, type LoadReport } from './instance-load.js';
export { type ScalingHold } from './scaling-holds.js';
export { type BoundsSpan, type ScheduledBounds } from './schedule.js';
export { ScalingLoop, type InstanceReport, type ScalingLoopOptions } from './scaling-loop.js';
