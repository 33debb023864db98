/**
 * `@tooloo/resilience/proxy`: `proxyBalanced` and the routing behind it.
 *
 * @module
 */
export {
  proxyBalanced,
  type HedgeOptions,
  type ProxyBalanced,
  type ProxyBalancedOptions,
  type ProxyBalancedStats,
  type RetryOptions as ProxyRetryOptions,
} from './middleware/proxy-balanced.js';
export * from './routing/index.js';
