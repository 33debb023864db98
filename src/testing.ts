/**
 * `@tooloo/resilience/testing`: the fake clock, the conformance suites and the fault doubles.
 *
 * @module
 */
export { FakeClock } from './testing/fake-clock.js';
export { type ConformanceCase } from './testing/conformance-case.js';
export { cacheLayerCases, type CacheLayerFixture } from './testing/cache-layer-cases.js';
export type { RateLimitStoreFixture } from './testing/rate-limit-check.js';
export { rateLimitStoreCases } from './testing/rate-limit-store-cases.js';
export { connectionFactoryCases, type ConnectionFactoryFixture } from './testing/connection-factory-cases.js';
export { FakeConnection, FakeConnections, type CreateBehaviour } from './testing/fake-connections.js';
export { contextCarrierCases } from './testing/context-carrier-cases.js';
export { balancingAlgorithmCases, FakeInstance } from './testing/balancing-algorithm-cases.js';
export { targetSourceCases, targetSourceChangeCases, type TargetSourceFixture } from './testing/target-source-cases.js';
export { ChaosCacheLayer, type Failure } from './testing/chaos-cache-layer.js';
export { coordinatorTransportCases, type TransportFixture } from './testing/coordinator-transport-cases.js';
export {
  scalingDriverCases,
  type InstanceBehaviour,
  type ScalingDriverFixture,
} from './testing/scaling-driver-cases.js';
