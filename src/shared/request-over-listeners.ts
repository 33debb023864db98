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

/** The same as a method, for an object that lives as long as the request: it needs no closure. */
export interface RequestFollower {
  requestOver(outcome: RequestOutcome): void;
}

/** A base class and not a part, so that a request in progress is one object. */
export class RequestOverListeners {
  readonly req: IncomingMessage;
  /** Undefined while the request is in progress. */
  outcome: RequestOutcome | undefined = undefined;
  /** The first listener, which is most often the only one, and the others. */
  #first: RequestFollower | RequestOverListener | undefined = undefined;
  #others: Set<RequestFollower | RequestOverListener> | undefined = undefined;
  /** Those of an HTTP/2 request that are called at once. */
  #urgent: Set<RequestFollower> | undefined = undefined;

  constructor(req: IncomingMessage) {
    this.req = req;
  }

  /**
   * Calls `listener` once when the request is over; a moment later if it already is.
   *
   * @returns a function that stops listening
   */
  onOver(listener: RequestOverListener): () => void {
    // One that is added twice is called twice.
    const own: RequestOverListener = this.#isFree ? listener : (outcome) => listener(outcome);
    this.#add(own);
    return () => this.#remove(own);
  }

  /** Like `onOver`. A follower follows a request once. */
  follow(follower: RequestFollower): void {
    this.#add(follower);
  }

  /**
   * Like `follow`, for one that must act before Node ends the body of an HTTP/2 request that was reset: such a body looks
   * complete. It must not reset another stream.
   */
  followAtOnce(follower: RequestFollower): void {
    if (this.outcome !== undefined || !isHttp2(this.req)) this.#add(follower);
    else (this.#urgent ??= new Set()).add(follower);
  }

  unfollow(follower: RequestFollower): void {
    this.#remove(follower);
    this.#urgent?.delete(follower);
  }

  protected callListeners(outcome: RequestOutcome): void {
    if (!isHttp2(this.req)) return this.#callAll(outcome);
    const urgent = this.#urgent;
    this.#urgent = undefined;
    urgent?.forEach((follower) => call(follower, outcome));
    afterFrame(() => this.#callAll(outcome));
  }

  get #isFree(): boolean {
    return this.#first === undefined && this.#others === undefined;
  }

  #add(listener: RequestFollower | RequestOverListener): void {
    if (this.#isFree) this.#first = listener;
    else (this.#others ??= new Set()).add(listener);
    if (this.outcome !== undefined) this.#callLater(this.outcome);
  }

  #remove(listener: RequestFollower | RequestOverListener): void {
    if (this.#first === listener) this.#first = undefined;
    this.#others?.delete(listener);
  }

  #callAll(outcome: RequestOutcome): void {
    const first = this.#first;
    const others = this.#others;
    this.#first = undefined;
    this.#others = undefined;
    if (first !== undefined) call(first, outcome);
    others?.forEach((listener) => call(listener, outcome));
  }

  #callLater(outcome: RequestOutcome): void {
    if (isHttp2(this.req)) afterFrame(() => this.#callAll(outcome));
    else process.nextTick(() => this.#callAll(outcome));
  }
}

function call(listener: RequestFollower | RequestOverListener, outcome: RequestOutcome): void {
  callGuarded('request over', () =>
    typeof listener === 'function' ? listener(outcome) : listener.requestOver(outcome),
  );
}
