/**
 * The body of a request on its way to an upstream, and again to another when the first failed: small ones are kept,
 * larger ones stream through and can be sent once.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { bindContext } from '../../shared/instrumentation.js';

/** A request's body as attempts read it. */
export interface RequestBody {
  /** Whether another attempt may still be given the whole of it. */
  readonly isReplayable: boolean;
  /** Whether all of it is here, so that two attempts can be given it at once. */
  readonly isComplete: boolean;
  /** Whether some of it has still to come. */
  readonly isUploading: boolean;
  /** Whether it is the client that keeps everybody waiting: an instance could take more of the body than there is. */
  readonly isStarved: boolean;
  /** The body for one attempt. Opening it again takes it away from the attempt before, unless it is complete. */
  open(): Buffer | Readable | null;
  /** Nobody will read it any more: what still comes is thrown away. */
  discard(): void;
}

/** A body that is here: none (`null`), parsed before and serialised again, or collected. */
export function bufferedBody(bytes: Buffer | null): RequestBody {
  return {
    isReplayable: true,
    isComplete: true,
    isUploading: false,
    isStarved: false,
    open: () => bytes,
    discard: () => undefined,
  };
}

/** Reads all of a body that is known to be small. Calls back once it is here; never, when the client goes away. */
export function collectBody(req: IncomingMessage, length: number, onCollected: (body: RequestBody) => void): void {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  const collected = bindContext(onCollected); // Node emits `end` in the context of the connection
  req.once('end', () => collected(bufferedBody(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length))));
}

/** What one attempt reads: first what is kept, then what comes. */
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

/** A body that streams. Its beginning is kept until it exceeds `limit` bytes, and with it the chance to send it again. */
export class StreamedBody implements RequestBody {
  readonly #req: IncomingMessage;
  readonly #limit: number;
  readonly #onProgress: (isLast: boolean) => void;
  #kept: Buffer[] | undefined = [];
  #keptSize = 0;
  #hasEnded = false;
  #reader: BodyReader | undefined;

  /** @param onProgress called for each chunk that came, and last when there is no more */
  constructor(req: IncomingMessage, limit: number, onProgress: (isLast: boolean) => void) {
    this.#req = req;
    this.#limit = limit;
    this.#onProgress = onProgress;
    req.on('data', this.#onData);
    req.once('end', this.#onEnd);
    req.pause();
  }

  get isReplayable(): boolean {
    return this.#kept !== undefined;
  }

  get isComplete(): boolean {
    return false; // one reader at a time
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

  /** The reader wants more. */
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
    this.#req.pause(); // the next reader gets what comes now
  }

  discard(): void {
    this.#req.off('data', this.#onData);
    this.#kept = undefined;
    this.#reader?.destroy();
    this.#req.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#onProgress(false);
    this.#keep(chunk);
    const reader = this.#reader;
    if (reader === undefined) return;
    reader.position++;
    if (!reader.push(chunk)) this.#req.pause();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#onProgress(true);
    this.#reader?.push(null);
  };

  #keep(chunk: Buffer): void {
    if (this.#kept === undefined) return;
    this.#keptSize += chunk.length;
    if (this.#keptSize > this.#limit) this.#kept = undefined;
    else this.#kept.push(chunk);
  }
}
