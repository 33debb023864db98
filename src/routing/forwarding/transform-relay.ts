/**
 * Passes on a response with the changes of the application: the whole body, if it is within bounds; otherwise
 * unchanged.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Attempt } from './attempt.js';
import { isBodiless } from './answer-head.js';
import type { ResponseFields } from './headers.js';
import { Relay, type BodySink, type RelayOwner } from './relay.js';

/** Changes a whole response body. What it throws or rejects with is a 500. */
export type BodyTransform<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
> = (
  body: Buffer,
  context: { readonly req: Req; readonly res: Res; readonly status: number },
) => Buffer | string | Promise<Buffer | string>;

/** Fields that describe the original body. */
const OF_THE_BODY = ['content-length', 'content-md5', 'digest', 'content-digest', 'etag', 'accept-ranges', 'trailer'];

/**
 * Whether the body of a response may be changed: it must be complete, without a content coding, and not known to be too
 * large.
 */
export function isTransformable(req: IncomingMessage, status: number, headers: ResponseFields, limit: number): boolean {
  if (req.method === 'HEAD' || isBodiless(status) || status === 206) return false;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && String(encoding).toLowerCase() !== 'identity') return false;
  if (/^text\/event-stream\b/i.test(String(headers['content-type']))) return false;
  return Number(headers['content-length'] ?? 0) <= limit;
}

export class TransformRelay implements BodySink {
  readonly attempt: Attempt;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #transform: BodyTransform;
  readonly #limit: number;
  readonly #owner: RelayOwner;
  #chunks: Buffer[] = [];
  #size = 0;
  /** Takes over when the body exceeds the limit. */
  #untouched: Relay | undefined;
  #isOver = false;

  constructor(
    attempt: Attempt,
    req: IncomingMessage,
    res: ServerResponse,
    transform: BodyTransform,
    limit: number,
    owner: RelayOwner,
  ) {
    this.attempt = attempt;
    this.#req = req;
    this.#res = res;
    this.#transform = transform;
    this.#limit = limit;
    this.#owner = owner;
  }

  write(chunk: Buffer): void {
    if (this.#untouched !== undefined) return this.#untouched.write(chunk);
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size <= this.#limit) return;
    this.#untouched = new Relay(this.attempt, this.#res, this.#owner);
    for (const kept of this.#chunks) this.#untouched.write(kept);
    this.#chunks = [];
  }

  end(trailers: ResponseFields, onWritten: () => void): void {
    if (this.#untouched !== undefined) return this.#untouched.end(trailers, onWritten);
    this.#send().then(onWritten, (error: unknown) => {
      if (!this.#isOver) this.#owner.onCrash(error);
    });
  }

  stop(): void {
    this.#isOver = true;
    this.#chunks = [];
    this.#untouched?.stop();
  }

  async #send(): Promise<void> {
    const res = this.#res;
    const body = await this.#transform(Buffer.concat(this.#chunks), {
      req: this.#req,
      res,
      status: res.statusCode,
    });
    if (this.#isOver) return;
    for (const name of OF_THE_BODY) res.removeHeader(name);
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    res.setHeader('content-length', bytes.length);
    res.end(bytes);
    this.stop();
  }
}
