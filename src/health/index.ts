/**
 * Health: probes, the monitor of other instances, and a shutdown that drains.
 *
 * @module
 */
export { ReadinessProbe, type ProbeScope, type ReadinessProbeOptions } from './readiness-probe.js';
export type { CheckStatus, ProbeAnswer, ProbeFunction, ProbeKind, ProbeOptions, ProbeResult } from './probe.js';
export type { ProbeReport } from './probe-report.js';
export {
  diskProbe,
  eventLoopProbe,
  memoryProbe,
  peerProbe,
  poolProbe,
  type DiskProbeOptions,
  type EventLoopProbeOptions,
  type MemoryProbeOptions,
  type ProbedPool,
} from './ready-made-probes.js';
export { HealthMonitor } from './health-monitor.js';
export type {
  CheckSettings,
  HealthMonitorOptions,
  HealthMonitorStats,
  InstanceChange,
  RegisterOptions,
  ServiceHealth,
} from './health-monitor-types.js';
export type { CheckOutcome } from './http-check.js';
export type { CheckRecord, CheckTarget, HealthStatus, InstanceHealth } from './instance-watch.js';
export type { LivenessThread, LivenessThreadOptions } from './liveness-thread.js';
