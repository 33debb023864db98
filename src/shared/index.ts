/**
 * What the engines and middleware have in common: errors, their documents, control routes, clocks.
 *
 * @module
 */
export { ResilienceError, ERRORS, messageOf, type ErrorCode, type ResilienceErrorOptions } from './errors.js';
export { problem, sendProblem, sendError, type Problem } from './problem.js';
export { requireControl, refuseControl, sameSecret, type ControlMode } from './control-access.js';
export { type Closeable, type Middleware, type NextFunction } from './http.js';
export { type Random } from './backoff.js';
export { type TrustProxy } from './client-address.js';
export { monotonicClock, startTimer, wallClock, type Clock, type Timer } from './clock.js';
export { WARNINGS, type WarningCode, type WarningsOption } from './warnings.js';
