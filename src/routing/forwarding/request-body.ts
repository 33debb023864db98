/**
 * The body of a request on its way to an upstream, and to another one if the first failed. Small bodies are kept.
 * Larger ones stream through and can be sent only once.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Framing } from './transfer-coding.js';

/** The listener of a body. */
export interface BodyOwner {
  /** More of it arrived, or its end. */
  uploadProgressed(isLast: boolean): void;
  /** All of a collected body is here. */
  bodyCollected(): void;
}

/** The body of a request as attempts read it. */
export interface RequestBody {
  /** Whether attempts may start: a small body is collected first. */
  readonly isReady: boolean;
  /** Whether another attempt can still read the whole body. */
  readonly isReplayable: boolean;
  /** Whether the body is complete, so that two attempts can read it at the same time. */
  readonly isComplete: boolean;
  /** Whether a part of it is still to arrive. */
  readonly isUploading: boolean;
  /** Whether the client is the slow side: an instance could accept more of the body than has arrived. */
  readonly isStarved: boolean;
  /** Starts reading. */
  begin(owner: BodyOwner): void;
  /** The body for one attempt. Opening it again takes it away from the previous attempt, unless it is complete. */
  open(): Buffer | Readable | null;
  /** The body is no longer needed: the parts that still arrive are discarded. */
  discard(): void;
}

/** A body that is here already: an empty one, or one that was parsed and serialized again. */
class BufferedBody implements RequestBody {
  readonly isReady = true;
  readonly isReplayable = true;
  readonly isComplete = true;
  readonly isUploading = false;
  readonly isStarved = false;
  readonly #bytes: Buffer | null;

  constructor(bytes: Buffer | null) {
    this.#bytes = bytes;
  }

  begin(): void {
    // everything is here
  }

  open(): Buffer | null {
    return this.#bytes;
  }

  discard(): void {
    // nothing comes any more
  }
}

const NO_BODY = new BufferedBody(null);

/** The body of a request. Small bodies are collected, so that they can be sent again; others stream. */
export function bodyOf(
  req: IncomingMessage,
  framing: Framing,
  parsed: Buffer | undefined,
  expectContinue: boolean,
  limit: number,
): RequestBody {
  if (parsed !== undefined) return new BufferedBody(parsed);
  if (framing.kind === 'none') return NO_BODY;
  if (framing.kind === 'length' && framing.length <= limit && !expectContinue)
    return new CollectedBody(req, framing.length);
  return new StreamedBody(req, limit);
}

/** A body that is known to be small. Attempts start when it is complete. */
class CollectedBody implements RequestBody {
  readonly #req: IncomingMessage;
  readonly #length: number;
  #chunks: Buffer[] = [];
  #bytes: Buffer | undefined;
  #owner: BodyOwner | undefined;

  constructor(req: IncomingMessage, length: number) {
    this.#req = req;
    this.#length = length;
  }

  get isReady(): boolean {
    return this.#bytes !== undefined;
  }

  get isReplayable(): boolean {
    return true;
  }

  get isComplete(): boolean {
    return this.isReady;
  }

  get isUploading(): boolean {
    return !this.isReady;
  }

  get isStarved(): boolean {
    return !this.isReady;
  }

  begin(owner: BodyOwner): void {
    this.#owner = owner;
    this.#req.on('data', this.#onData);
    this.#req.once('end', this.#onEnd);
  }

  open(): Buffer {
    return this.#bytes!;
  }

  discard(): void {
    this.#owner = undefined;
    if (this.isReady) return;
    this.#req.off('data', this.#onData);
    this.#req.off('end', this.#onEnd);
    this.#chunks = [];
    this.#req.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#owner?.uploadProgressed(false);
  };

  readonly #onEnd = (): void => {
    const chunks = this.#chunks;
    this.#bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#length);
    this.#owner?.bodyCollected();
  };
}

/** The reader of one attempt: first the kept part, then the parts that arrive. */
class BodyReader extends Readable {
  readonly #body: StreamedBody;
  position = 0;

  constructor(body: StreamedBody) {
    super();
    this.#body = body;
  }

  override _read(): void {
    this.#body.advance(this);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#body.detach(this);
    callback(error);
  }
}

/** A streamed body. Its beginning is kept until it exceeds `limit` bytes. After that it cannot be sent again. */
class StreamedBody implements RequestBody {
  readonly #req: IncomingMessage;
  readonly #limit: number;
  #owner: BodyOwner | undefined;
  #kept: Buffer[] | undefined = [];
  #keptSize = 0;
  #hasEnded = false;
  #reader: BodyReader | undefined;

  constructor(req: IncomingMessage, limit: number) {
    this.#req = req;
    this.#limit = limit;
  }

  begin(owner: BodyOwner): void {
    this.#owner = owner;
    this.#req.on('data', this.#onData);
    this.#req.once('end', this.#onEnd);
    this.#req.pause();
  }

  get isReady(): boolean {
    return true;
  }

  get isReplayable(): boolean {
    return this.#kept !== undefined;
  }

  get isComplete(): boolean {
    return false; // only one reader at a time
  }

  get isUploading(): boolean {
    return !this.#hasEnded;
  }

  get isStarved(): boolean {
    return this.#reader !== undefined && !this.#hasEnded && !this.#req.isPaused();
  }

  open(): Readable {
    const previous = this.#reader;
    this.#reader = new BodyReader(this);
    previous?.destroy();
    return this.#reader;
  }

  /** The reader requests more. */
  advance(reader: BodyReader): void {
    if (reader !== this.#reader) return;
    const chunk = this.#kept?.[reader.position];
    if (chunk !== undefined) {
      reader.position++;
      reader.push(chunk);
    } else if (this.#hasEnded) reader.push(null);
    else this.#req.resume();
  }

  detach(reader: BodyReader): void {
    if (reader !== this.#reader) return;
    this.#reader = undefined;
    this.#req.pause(); // the next reader gets the parts that arrive now
  }

  discard(): void {
    this.#owner = undefined;
    this.#req.off('data', this.#onData);
    this.#kept = undefined;
    this.#reader?.destroy();
    this.#req.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#owner?.uploadProgressed(false);
    this.#keep(chunk);
    const reader = this.#reader;
    if (reader === undefined) return;
    reader.position++;
    if (!reader.push(chunk)) this.#req.pause();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#owner?.uploadProgressed(true);
    this.#reader?.push(null);
  };

  #keep(chunk: Buffer): void {
    if (this.#kept === undefined) return;
    this.#keptSize += chunk.length;
    if (this.#keptSize > this.#limit) this.#kept = undefined;
    else this.#kept.push(chunk);
  }
}
