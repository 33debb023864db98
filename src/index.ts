/** The public surface of @tooloo/resilience, and nothing else. */
export * from './rate-limiting/index.js';
export * from './middleware/index.js';
export * from './tracing/index.js';
export * from './caching/index.js';
export * from './health/index.js';
export * from './routing/index.js';
export * from './scaling/index.js';
export * from './database/index.js';
export * from './service-client/index.js';
export { ResilienceError, ERRORS, messageOf, type ErrorCode } from './shared/errors.js';
export { problem, sendProblem, sendError, type Problem } from './shared/problem.js';
export { requireControl, refuseControl } from './shared/control-access.js';
export { type Middleware, type NextFunction } from './shared/http.js';
export { monotonicClock, startTimer, wallClock, type Clock, type Timer } from './shared/clock.js';
