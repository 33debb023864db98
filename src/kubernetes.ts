/**
 * `@tooloo/resilience/kubernetes`: scaling the Deployments of a cluster.
 *
 * @module
 */
export { kubernetes, type KubernetesOptions } from './scaling/kubernetes/kubernetes.js';
export { type CredentialOptions } from './scaling/kubernetes/credentials.js';
