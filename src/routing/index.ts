/**
 * Balancing over instances and forwarding to them.
 *
 * @module
 */
export {
  LoadBalancer,
  type Fitness,
  type LoadBalancerOptions,
  type LoadBalancerStats,
  type TargetInput,
} from './load-balancer.js';
export {
  IntelligentRouter,
  type ServiceStats,
  type TargetChange,
  type TargetRef,
  type TargetStats,
} from './intelligent-router.js';
export {
  ALGORITHM_NAMES,
  type AlgorithmName,
  type BalancedInstance,
  type BalancingAlgorithm,
} from './algorithms/index.js';
export { type IntelligentRouterOptions } from './router-parts.js';
export { type Instance, type InstanceStats } from './instance.js';
export { type InstanceMonitor, type InstanceStatus, type MonitoredInstance } from './monitor.js';
export { type OutlierOptions } from './outlier-detector.js';
export { type Route } from './route.js';
export { type TargetState } from './service-group.js';
export { type LivenessProbe } from './stall-detector.js';
export { dnsTargets, type DnsTargetsOptions, type ResolvedAddress } from './sources/dns-targets.js';
export { registryTargets, type RegistryTargetsOptions } from './sources/registry-targets.js';
export { staticTargets } from './sources/static-targets.js';
export { type DiscoveredTarget, type TargetSource } from './sources/target-source.js';
export { type StickyOptions } from './sticky-sessions.js';
export { type Target, type TargetSpec, type TargetUrl } from './target.js';
export { type Verdict } from './verdict.js';
export { type TlsOptions } from './forwarding/upstream-call.js';
export { type RequestFieldsHook } from './forwarding/incoming.js';
export { type CookieRewrites, type MutableFields, type ResponseFieldsHook } from './forwarding/response-rewrites.js';
export { type BodyTransform } from './forwarding/transform-relay.js';
