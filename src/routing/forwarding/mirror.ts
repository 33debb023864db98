/** Sends copies of requests to a second target. The outcome of a copy does not affect the request or its response. */
import type { IncomingMessage } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Random } from '../../shared/backoff.js';
import { parseTarget, type TargetSpec, type TargetUrl } from '../target.js';
import type { PreparedRequest } from './incoming.js';
import type { Place, UpstreamCall, UpstreamOptions, UpstreamRequest } from './upstream-call.js';
import { requestAt } from './upstream-request.js';
import { Upstream } from './upstream.js';

export interface MirrorSettings {
  readonly target: string | TargetUrl | TargetSpec;
  readonly ratio?: number;
  readonly maxInFlight?: number;
}

/** Bytes of a response that are read to keep its connection. */
const MAX_ANSWER = 1_048_576;

export class Mirror {
  readonly #upstream: Upstream;
  readonly #ratio: number;
  readonly #random: Random;

  /** @throws TypeError or RangeError for an invalid target */
  constructor({ target, ratio = 1, maxInFlight = 64 }: MirrorSettings, options: UpstreamOptions, random: Random) {
    const bounded = { ...options, maxConnections: maxInFlight, maxQueue: 0, dispatcher: undefined };
    this.#upstream = new Upstream(parseTarget('proxyBalanced: mirror', target), bounded, () => undefined);
    this.#ratio = ratio;
    this.#random = random;
  }

  /** Sends a copy, unless the most allowed copies are in flight. Never throws. */
  copy(req: IncomingMessage, prepared: PreparedRequest, body: Buffer | null): void {
    if (!this.#upstream.hasRoom || (this.#ratio < 1 && this.#random() >= this.#ratio)) return;
    this.#upstream.send(new MirroredCall(this.#upstream, req, prepared, body));
  }

  close(): Promise<void> {
    return this.#upstream.destroy();
  }
}

class MirroredCall implements UpstreamCall {
  place: Place | undefined = undefined;
  readonly #upstream: Upstream;
  readonly #req: IncomingMessage;
  readonly #prepared: PreparedRequest;
  readonly #body: Buffer | null;
  #read = 0;
  #isOver = false;

  constructor(upstream: Upstream, req: IncomingMessage, prepared: PreparedRequest, body: Buffer | null) {
    this.#upstream = upstream;
    this.#req = req;
    this.#prepared = prepared;
    this.#body = body;
  }

  request(): UpstreamRequest {
    const { target } = this.#upstream;
    const options = { req: this.#req, span: undefined, onFreshConnection: false };
    return { ...requestAt(target, this.#prepared, this.#body, options), expectContinue: false, trailers: undefined };
  }

  onContinue(): void {
    // its body is sent at once
  }

  onRequestStart(): void {
    // nothing waits for it
  }

  onResponseStarted(): void {
    // nor for its answer
  }

  onResponseStart(): void {
    // whatever it is
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#read += chunk.length;
    if (this.#read > MAX_ANSWER) controller.abort(new Error('the answer to a copy is too long'));
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(): void {
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upstream.release();
  }
}
