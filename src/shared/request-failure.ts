/** Reports the cause of a failed request to the operator, because the response to the client does not contain it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf, ResilienceError } from './errors.js';
import { runInContextOf } from './instrumentation.js';
import { errorStatus } from './problem.js';
import { propertyOf } from './user-value.js';

/** Whether an error is a failure of this server, rather than an answer that it gives on purpose. */
function isServerFailure(error: unknown, res: ServerResponse): boolean {
  return ResilienceError.is(error) ? error.code === 'INTERNAL' : errorStatus(error, res) >= 500;
}

/**
 * Emits the process warning TOOLOO_REQUEST_FAILED for a failure of this server, and none for any other error.
 *
 * @param place the part that handled the request, e.g. 'compose'
 */
export function warnOfFailedRequest(place: string, req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (!isServerFailure(error, res)) return;
  const stack = propertyOf(error, 'stack');
  const details = { code: 'TOOLOO_REQUEST_FAILED', ...(typeof stack === 'string' && { detail: stack }) };
  const message = `${place}: a ${req.method} request failed: ${messageOf(error)}`;
  // So that a listener of warnings can log the trace.
  runInContextOf(req, () => process.emitWarning(message, details));
}
