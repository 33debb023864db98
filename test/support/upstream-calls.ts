/** Requests to an upstream that record what becomes of them. */
import type { Dispatcher } from 'undici';
import type { Place, UpstreamCall, UpstreamRequest } from '../../src/routing/forwarding/upstream-call.js';

export class RecordedCall implements UpstreamCall {
  place: Place | undefined = undefined;
  controller: Dispatcher.DispatchController | undefined;
  starts = 0;
  status: number | undefined;
  readonly ends: Array<'response' | Error> = [];
  /** Settles with how it ended. */
  readonly ended: Promise<'response' | Error>;
  readonly #path: string;
  readonly #onEnd: () => void;
  #settle!: (end: 'response' | Error) => void;

  constructor(path = '/', onEnd: () => void = () => undefined) {
    this.#path = path;
    this.#onEnd = onEnd;
    this.ended = new Promise((resolve) => (this.#settle = resolve));
  }

  /** The code with which it failed, or that it got a response. */
  get code(): unknown {
    const [end] = this.ends;
    return end === undefined || end === 'response' ? end : (end as NodeJS.ErrnoException).code;
  }

  request(): UpstreamRequest {
    return {
      method: 'GET',
      path: this.#path,
      headers: [],
      body: null,
      isChunked: false,
      expectContinue: false,
      trailers: undefined,
      onFreshConnection: false,
    };
  }

  onContinue(): void {
    // it waits for none
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.starts++;
    this.controller = controller;
  }

  onResponseStarted(): void {
    // its head follows
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.status = status;
  }

  onResponseData(): void {
    // not read
  }

  onResponseEnd(): void {
    this.#end('response');
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#end(error);
  }

  #end(end: 'response' | Error): void {
    this.ends.push(end);
    this.#onEnd();
    this.#settle(end);
  }
}
