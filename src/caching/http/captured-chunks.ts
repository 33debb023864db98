/** The body of a response as it passes: copies of its chunks, within a budget that all responses share. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { onRequestOver } from '../../shared/request-over.js';

/** The most bytes that may be collected at the same time, over all responses. */
export interface CaptureBudget {
  readonly maxBodySize: number;
  /** Bytes left for all bodies being collected, and for data that slow clients have not read yet. */
  left: number;
}

export class CapturedChunks {
  /** The length that the head states. */
  declaredSize: number | undefined;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #budget: CaptureBudget;
  #chunks: Buffer[] | undefined;
  #size = 0;
  #isDropped = false;

  constructor(req: IncomingMessage, res: ServerResponse, budget: CaptureBudget) {
    this.#req = req;
    this.#res = res;
    this.#budget = budget;
  }

  get isDropped(): boolean {
    return this.#isDropped;
  }

  /**
   * While a body is collected, its handler need not wait for the client. The whole body is kept in memory anyway, and
   * waiting requests must not depend on the slowest reader. The budget limits the bytes ahead of slow clients.
   */
  get isCollecting(): boolean {
    return !this.#isDropped && this.#size > 0;
  }

  /**
   * Keeps a copy of a chunk, because the handler may overwrite its own. Returns false if the body exceeds the budget.
   */
  add(chunk: unknown, encoding: unknown): boolean {
    const copy = toBytes(chunk, encoding);
    if (this.#size + copy.length > this.#budget.maxBodySize || copy.length > this.#budget.left) {
      this.drop();
      return false;
    }
    this.#budget.left -= copy.length;
    this.#size += copy.length;
    (this.#chunks ??= []).push(copy);
    return true;
  }

  /**
   * The body, if it is complete: as long as the head stated or, without a stated length, ended before the client left.
   *
   * @param endedInTime whether the client was still connected when it ended
   */
  take(endedInTime: boolean): Buffer | undefined {
    if (this.#isDropped) return undefined;
    const isWhole = this.declaredSize === undefined ? endedInTime : this.declaredSize === this.#size;
    const body = isWhole ? Buffer.concat(this.#chunks ?? [], this.#size) : undefined;
    this.drop();
    return body;
  }

  /** Stops collecting and returns the bytes to the budget, as soon as they are sent. */
  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#chunks = undefined;
    const size = this.#size;
    if (size === 0) return;
    const giveBack = (): void => {
      this.#budget.left += size;
    };
    if (this.#res.writableLength > 0 && !this.#res.destroyed) onRequestOver(this.#req, this.#res, giveBack);
    else giveBack();
  }
}

function toBytes(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  return chunk instanceof Uint8Array ? Buffer.from(chunk) : Buffer.alloc(0);
}
