/** Passes one response to the client: its head, its body at the speed of the client, and its trailers. */
import type { ServerResponse } from 'node:http';
import type { Attempt } from './attempt.js';
import type { ResponseFields } from './headers.js';
import { addTrailers, flushHead } from './response-writer.js';

/** The listener of a relay. */
export interface RelayOwner {
  /** The client has read more. */
  progressed(): void;
  /** A part of the response could not be written. */
  onCrash(error: unknown): void;
}

/** How the body of a response goes to the client. */
export interface BodySink {
  readonly attempt: Attempt;
  write(chunk: Buffer): void;
  /** The body is complete. */
  end(trailers: ResponseFields, onWritten: () => void): void;
  /** Stops writing. */
  stop(): void;
}

/** A middleware in front that holds bytes back adds `flush`, which sends them, as `compression` does. */
type HeldResponse = ServerResponse & { flush?: () => void };

export class Relay implements BodySink {
  readonly attempt: Attempt;
  readonly #res: HeldResponse;
  readonly #owner: RelayOwner;
  #isPaused = false;
  #hasHeadGone = false;
  /**
   * The beginning of the body. The remaining part may arrive within a moment, and is then sent in one piece with the
   * head.
   */
  #first: Buffer | undefined;
  #isOver = false;
  /** Whether a middleware may hold back a part of the body although the next part may arrive after any time. */
  readonly #isHeld: boolean;
  #willRelease = false;

  constructor(attempt: Attempt, res: HeldResponse, owner: RelayOwner) {
    this.attempt = attempt;
    this.#res = res;
    this.#owner = owner;
    this.#isHeld = res.flush !== undefined && !res.hasHeader('content-length');
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

  /** Sends everything received so far, because the head must not wait for a body that may take long. */
  flush(): void {
    if (this.#isOver) return;
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) this.#send(first);
    else if (!this.#hasHeadGone) flushHead(this.#res);
    this.#hasHeadGone = true;
  }

  end(trailers: ResponseFields, onWritten: () => void): void {
    const res = this.#res;
    if (hasFields(trailers)) {
      this.flush();
      addTrailers(res, trailers);
      res.end();
    } else res.end(this.#first);
    this.stop();
    onWritten();
  }

  stop(): void {
    this.#isOver = true;
  }

  /** An exception of the response (in an on-headers hook of the application) must not leave this tick. */
  flushGuarded(): void {
    try {
      this.flush();
    } catch (error) {
      this.#owner.onCrash(error);
    }
  }

  /** Sends what a middleware in front holds back. */
  releaseGuarded(): void {
    this.#willRelease = false;
    if (this.#isOver) return;
    try {
      this.#res.flush?.();
    } catch (error) {
      this.#owner.onCrash(error);
    }
  }

  /**
   * Listens for 'drain' only while it waits, because the response outlives the exchange and must not keep it in memory.
   */
  #send(chunk: Buffer): void {
    const isWritten = this.#res.write(chunk);
    if (this.#isHeld) this.#releaseLater();
    if (isWritten || this.#isPaused) return;
    this.#isPaused = true;
    this.attempt.pause();
    this.#res.once('drain', () => {
      this.#isPaused = false;
      this.#owner.progressed();
      this.attempt.resume();
    });
  }

  /** Once for everything that the instance sent in one piece, because each release makes the compression worse. */
  #releaseLater(): void {
    if (this.#willRelease) return;
    this.#willRelease = true;
    process.nextTick(releaseHeld, this);
  }
}

function flushLater(relay: Relay): void {
  relay.flushGuarded();
}

function releaseHeld(relay: Relay): void {
  relay.releaseGuarded();
}

function hasFields(fields: ResponseFields): boolean {
  for (const _name in fields) return true;
  return false;
}
