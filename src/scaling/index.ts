export {
  AutoScalingDecisionEngine,
  type AutoScalingDecisionEngineOptions,
  type LoadPrediction,
  type ScalingMetrics,
} from './auto-scaling-decision-engine.js';
export { type ForecastAdvice, type MetricAdvice, type ScalingAction, type ScalingDecision } from './decision.js';
export { type InstanceCounts } from './fleet-samples.js';
export { type Figure, type InstanceSample, type ScalingMetric } from './metrics.js';
export {
  type ChangeLimit,
  type LoadTarget,
  type PerDirection,
  type PredictivePolicy,
  type ResolvedPolicy,
  type ScalingPolicy,
} from './policy.js';
export { childProcesses, EXIT_CONFIG, type ChildProcessesOptions, type InstanceCommand } from './child-processes.js';
export { type InstanceExit, type InstanceSpec, type RunningInstance, type ScalingDriver } from './driver.js';
export {
  InstanceSupervisor,
  type InstanceSupervisorOptions,
  type RestartPolicy,
  type SupervisedState,
} from './instance-supervisor.js';
