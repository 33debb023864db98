/** The listeners for the end of a request, and when they are called. */
import type { IncomingMessage } from 'node:http';
import { afterFrame } from './abort-response.js';
import { isHttp2 } from './http2-message.js';
import { callGuarded } from './listeners.js';

/** `finished`: the whole response was sent. `aborted`: the connection or the HTTP/2 stream ended before that. */
export type RequestOutcome = 'finished' | 'aborted';

/**
 * Called once, when the request is over. An error it throws becomes a warning. The listeners of an HTTP/2 request are
 * called after the frame that Node handles, because what they release may let another request run, fail and be reset.
 */
export type RequestOverListener = (outcome: RequestOutcome) => void;

/** A base class and not a part, so that a request in progress is one object. */
export class RequestOverListeners {
  readonly req: IncomingMessage;
  /** Undefined while the request is in progress. */
  outcome: RequestOutcome | undefined = undefined;
  /** The first listener, which is most often the only one, and the others. */
  #listener: RequestOverListener | undefined = undefined;
  #others: Set<RequestOverListener> | undefined = undefined;
  /** Those of an HTTP/2 request that are called at once. */
  #urgent: Set<RequestOverListener> | undefined = undefined;

  constructor(req: IncomingMessage) {
    this.req = req;
  }

  /**
   * Calls `listener` once when the request is over; a moment later if it already is.
   *
   * @returns a function that stops listening
   */
  onOver(listener: RequestOverListener): () => void {
    if (this.outcome === undefined) return this.#listen(listener);
    return this.#callLater(listener, this.outcome);
  }

  /** Like `onOver`, but also for HTTP/2 in the moment in which the request is over. */
  onOverAtOnce(listener: RequestOverListener): () => void {
    if (this.outcome !== undefined || !isHttp2(this.req)) return this.onOver(listener);
    const own: RequestOverListener = (outcome) => listener(outcome); // one that is added twice is called twice
    (this.#urgent ??= new Set()).add(own);
    return () => void this.#urgent?.delete(own);
  }

  protected callListeners(outcome: RequestOutcome): void {
    if (!isHttp2(this.req)) return this.#callAll(outcome);
    const urgent = this.#urgent;
    this.#urgent = undefined;
    urgent?.forEach((listener) => callGuarded('request over', () => listener(outcome)));
    afterFrame(() => this.#callAll(outcome));
  }

  #callAll(outcome: RequestOutcome): void {
    const others = this.#others;
    this.#others = undefined;
    const first = this.#listener;
    this.#listener = undefined;
    if (first !== undefined) callGuarded('request over', () => first(outcome));
    others?.forEach((listener) => callGuarded('request over', () => listener(outcome)));
  }

  #callLater(listener: RequestOverListener, outcome: RequestOutcome): () => void {
    let isWanted = true;
    const call = (): void => {
      if (isWanted) callGuarded('request over', () => listener(outcome));
    };
    if (isHttp2(this.req)) afterFrame(call);
    else process.nextTick(call);
    return () => {
      isWanted = false;
    };
  }

  #listen(listener: RequestOverListener): () => void {
    if (this.#listener === undefined && this.#others === undefined) {
      this.#listener = listener;
      return () => {
        if (this.#listener === listener) this.#listener = undefined;
      };
    }
    const own: RequestOverListener = (outcome) => listener(outcome); // one that is added twice is called twice
    (this.#others ??= new Set()).add(own);
    return () => void this.#others?.delete(own);
  }
}
