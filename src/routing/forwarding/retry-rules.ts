/** When a request may be sent again: only if the first attempt had no effect that a second one would double. */
import type { ResilienceError } from '../../shared/errors.js';
import type { ResponseHead } from './answer-head.js';
import type { Attempt } from './attempt.js';
import type { ForwarderCore } from './forwarder-core.js';
import type { PreparedRequest } from './incoming.js';
import { isIdempotent, isSafe } from './methods.js';
import type { RequestBody } from './request-body.js';
import type { TriedInstances } from './tried-instances.js';
import { isConnectionLost, isDeadSession, isUnaskedContinue, isUnprocessed } from './upstream-error.js';

/** The facts about a request by which the rules decide. */
export interface Retriable {
  readonly core: ForwarderCore;
  readonly prepared: PreparedRequest;
  readonly body: RequestBody;
  /** Whether another attempt is allowed. */
  readonly hasAttemptsLeft: boolean;
}

/** Whether two instances may process the request at the same time. */
export function mayRunTwice({ core, prepared }: Retriable): boolean {
  return core.retry.methods?.has(prepared.method) ?? isSafe(prepared.method);
}

/** Whether attempts are left, and the body can be sent again. */
export function canTryAgain({ body, hasAttemptsLeft }: Retriable): boolean {
  return hasAttemptsLeft && body.isReplayable;
}

/** Whether another attempt may succeed after the failure of this one. */
export function mayRetry(request: Retriable, attempt: Attempt, error: ResilienceError): boolean {
  if (error.code === 'BAD_REQUEST' || !canTryAgain(request)) return false;
  if (!attempt.wasSent || mayRunTwice(request) || isUnprocessed(error.cause)) return true;
  return isIdempotent(request.prepared.method) && !attempt.hasByte && isConnectionLost(error.cause);
}

/**
 * An instance may close an idle connection just when a request arrives (RFC 9112 §9.3.1). undici also closes a
 * connection on an unexpected 100. If there is no other instance, the same one is tried on a new connection.
 */
export function mayUseFreshConnection(request: Retriable, attempt: Attempt, cause: Error): boolean {
  const { core, prepared, body } = request;
  if (!attempt.wasSent || !body.isReplayable) return false;
  if (isUnaskedContinue(cause)) return mayRunTwice(request);
  if (isDeadSession(cause)) return mayRunTwice(request) && !attempt.hasByte;
  const isRepeatable = isUnprocessed(cause) || (isConnectionLost(cause) && isIdempotent(prepared.method));
  if (attempt.hasByte || !isRepeatable) return false;
  return !core.hasAnother(prepared);
}

/** Whether a response is held back, because another one may be better. */
export function shouldHold(
  request: Retriable,
  { status }: ResponseHead,
  activeAttempts: number,
  tried: TriedInstances,
): boolean {
  const { core, prepared } = request;
  if (!core.retry.statuses.has(status) || !mayRunTwice(request)) return false;
  return activeAttempts > 1 || (canTryAgain(request) && core.hasAnother(prepared, tried));
}
