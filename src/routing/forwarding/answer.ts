/** The response to one client: the response of one attempt, or an error, and never a mixture of the two. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { abortResponse } from '../../shared/abort-response.js';
import type { NextFunction } from '../../shared/http.js';
import type { ResponseHead } from './answer-head.js';
import type { Attempt } from './attempt.js';
import type { ForwarderCore } from './forwarder-core.js';
import type { ResponseFields } from './headers.js';
import type { BodySink, RelayOwner } from './relay.js';
import { resetHead, writeContinue, writeInformation } from './response-writer.js';

export class Answer {
  readonly #core: ForwarderCore;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #next: NextFunction;
  /** The attempt whose response the client receives. */
  attempt: Attempt | undefined;
  /** The head, set as soon as any of it may be in the response. */
  #head: ResponseHead | undefined;
  #sink: BodySink | undefined;

  constructor(core: ForwarderCore, req: IncomingMessage, res: ServerResponse, next: NextFunction) {
    this.#core = core;
    this.#req = req;
    this.#res = res;
    this.#next = next;
  }

  /** Whether it is decided which response the client receives. */
  get isDecided(): boolean {
    return this.attempt !== undefined;
  }

  /** Asks the client to send its body. */
  proceed(): void {
    if (!this.isDecided) writeContinue(this.#res);
  }

  /** Passes on an informational response. */
  inform(head: ResponseHead): void {
    if (!this.isDecided) writeInformation(this.#res, head);
  }

  /** Uses the response of this attempt. */
  begin(attempt: Attempt, head: ResponseHead, owner: RelayOwner): void {
    this.attempt = attempt;
    const final = this.#core.finalHead(this.#req, head, attempt);
    this.#head = final;
    this.#sink = this.#core.openRelay(this.#req, this.#res, final, attempt, owner);
  }

  write(chunk: Buffer): void {
    this.#sink?.write(chunk);
  }

  end(trailers: ResponseFields, onWritten: () => void): void {
    this.#sink?.end(trailers, onWritten);
  }

  /** Stops writing. */
  stop(): void {
    this.#sink?.stop();
  }

  /**
   * The client no longer reads the response. Ends the response for parts that wait for its end, such as a limit on
   * requests in flight, because Node does not report that nothing more will be written.
   */
  abandon(): void {
    if (!this.#res.writableEnded) this.#res.destroy();
  }

  /** Replaces the response by an error, or aborts it if a part of it was written. Never throws. */
  fail(error: unknown): void {
    try {
      // Node frames a second response wrongly on a connection where it has begun a first one.
      if (this.#head !== undefined && !resetHead(this.#res, this.#head)) abortResponse(this.#res);
      else this.#core.answerError(this.#req, this.#res, error, this.#next);
    } catch {
      this.#res.destroy(); // an HTTP/2 stream that was just reset accepts no response
    }
  }
}
