/**
 * `@tooloo/resilience/compose`: `compose` and what handlers share: errors, their documents, control routes, clocks.
 *
 * @module
 */
export { compose, type ComposedListener, type ComposeOptions, type Handler } from './middleware/compose.js';
export * from './shared/index.js';
