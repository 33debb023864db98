/** When a request may be sent again: only if the first attempt had no effect that a second one would double. */
import type { ResilienceError } from '../../shared/errors.js';
import type { ResponseHead } from './answer-head.js';
import type { Attempt } from './attempt.js';
import type { ForwarderCore } from './forwarder-core.js';
import type { PreparedRequest } from './incoming.js';
import { isIdempotent, isSafe } from './methods.js';
import type { RequestBody } from './request-body.js';
import type { Retries } from './retries.js';
import type { TriedInstances } from './tried-instances.js';
import { isConnectionLost, isDeadSession, isUnaskedContinue, isUnprocessed } from './upstream-error.js';

export class RetryRules {
  /** Whether two instances may process the request at the same time. */
  readonly isSafe: boolean;
  readonly #core: ForwarderCore;
  readonly #prepared: PreparedRequest;
  readonly #body: RequestBody;
  readonly #retries: Retries;

  constructor(core: ForwarderCore, prepared: PreparedRequest, body: RequestBody, retries: Retries) {
    this.isSafe = core.retry.methods?.has(prepared.method) ?? isSafe(prepared.method);
    this.#core = core;
    this.#prepared = prepared;
    this.#body = body;
    this.#retries = retries;
  }

  /** Whether attempts are left, and the body can be sent again. */
  get canTryAgain(): boolean {
    return this.#retries.areLeft && this.#body.isReplayable;
  }

  /** Whether another attempt may succeed after the failure of this one. */
  mayRetry(attempt: Attempt, error: ResilienceError): boolean {
    if (error.code === 'BAD_REQUEST' || !this.canTryAgain) return false;
    if (!attempt.wasSent || this.isSafe || isUnprocessed(error.cause)) return true;
    return isIdempotent(this.#prepared.method) && !attempt.hasByte && isConnectionLost(error.cause);
  }

  /**
   * An instance may close an idle connection just when a request arrives (RFC 9112 §9.3.1). undici also closes a
   * connection on an unexpected 100. If there is no other instance, the same one is tried on a new connection.
   */
  mayUseFreshConnection(attempt: Attempt, cause: Error): boolean {
    if (!attempt.wasSent || !this.#body.isReplayable) return false;
    if (isUnaskedContinue(cause)) return this.isSafe;
    if (isDeadSession(cause)) return this.isSafe && !attempt.hasByte;
    const isRepeatable = isUnprocessed(cause) || (isConnectionLost(cause) && isIdempotent(this.#prepared.method));
    if (attempt.hasByte || !isRepeatable) return false;
    return !this.#core.hasAnother(this.#prepared);
  }

  /** Whether a response is held back, because another one may be better. */
  shouldHold({ status }: ResponseHead, activeAttempts: number, tried: TriedInstances): boolean {
    if (!this.#core.retry.statuses.has(status) || !this.isSafe) return false;
    return activeAttempts > 1 || (this.canTryAgain && this.#core.hasAnother(this.#prepared, tried.all()));
  }
}
