/** Passes one response on to the client: its head, its body as fast as the client reads, its trailers. */
import type { ServerResponse } from 'node:http';
import type { Attempt } from './attempt.js';
import type { ResponseFields } from './headers.js';
import { addTrailers } from './response-writer.js';

export class Relay {
  readonly attempt: Attempt;
  readonly #res: ServerResponse;
  readonly #onProgress: () => void;
  #isPaused = false;
  #hasHeadGone = false;
  /** The beginning of the body, while the rest may be here in a moment to go out with it and the head in one piece. */
  #first: Buffer | undefined;
  #isOver = false;

  /** @param onProgress called when the client has read on */
  constructor(attempt: Attempt, res: ServerResponse, onProgress: () => void) {
    this.attempt = attempt;
    this.#res = res;
    this.#onProgress = onProgress;
    process.nextTick(flushLater, this);
  }

  write(chunk: Buffer): void {
    if (this.#first === undefined && !this.#hasHeadGone) {
      this.#first = chunk;
      return;
    }
    this.flush();
    this.#send(chunk);
  }

  /** Everything that is here goes out: the head must not wait for a body that may take its time. */
  flush(): void {
    if (this.#isOver) return;
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) this.#send(first);
    else if (!this.#hasHeadGone) this.#res.flushHeaders();
    this.#hasHeadGone = true;
  }

  end(trailers: ResponseFields): void {
    const res = this.#res;
    if (hasFields(trailers)) {
      this.flush();
      addTrailers(res, trailers);
      res.end();
    } else res.end(this.#first);
    this.stop();
  }

  /** Writes nothing more. */
  stop(): void {
    this.#isOver = true;
  }

  /** Listens for 'drain' only while it waits: the response outlives the exchange, which need not hang on it. */
  #send(chunk: Buffer): void {
    if (this.#res.write(chunk) || this.#isPaused) return;
    this.#isPaused = true;
    this.attempt.pause();
    this.#res.once('drain', () => {
      this.#isPaused = false;
      this.#onProgress();
      this.attempt.resume();
    });
  }
}

function flushLater(relay: Relay): void {
  relay.flush();
}

function hasFields(fields: ResponseFields): boolean {
  for (const _name in fields) return true;
  return false;
}
