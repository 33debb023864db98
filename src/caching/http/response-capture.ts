/**
 * Watches what a handler writes to a response: the head when it is decided, the body as it passes, the end. The client
 * gets everything as it is written, unless the head makes the watcher hold the answer back to send another.
 *
 * The instance's own methods are replaced, so that Express, `compression` and sessions compose with it on either side:
 * what was mounted before this middleware wraps what the client sees, what comes after it wraps what is captured.
 */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { currentRoute } from '../../shared/instrumentation.js';
import { applyHeaders } from './before-head.js';
import { toFields, type Fields, type FieldValue, type FlatFields } from './fields.js';

/** A response's head as the handler decided it. */
export interface ResponseHead {
  readonly status: number;
  /** The reason phrase, where the handler gave one. */
  readonly reason: string | undefined;
  /** All fields that will be sent. Of `Set-Cookie` only what the handler set. */
  readonly fields: Fields;
  /** Template of the route that answers, where a tracer knows it. */
  readonly route: string | undefined;
  /** The handler's own fields: not those that middleware before it set, which set them for every request anew. */
  readonly headers: FlatFields;
}

/** What is to happen to the rest of the response. */
export interface CapturePlan {
  /** Keep a copy of the body. */
  readonly collect: boolean;
  /** Let nothing of it reach the client; `onEnd` answers instead. */
  readonly hold: boolean;
}

/** A complete body and its trailers. */
export interface CapturedBody {
  readonly body: Buffer;
  readonly trailers: FlatFields;
}

export interface CaptureEvents {
  /** The head is decided and may still be changed on the response. */
  onHead(head: ResponseHead): CapturePlan;
  /** The handler ended the response; the body where it was collected and is whole. */
  onEnd(captured: CapturedBody | undefined): void;
  /** The body outgrew what may be collected; it goes on to the client. */
  onOverflow(): void;
  /** The connection closed before the handler ended the response. */
  onClose(): void;
  /** The handler destroyed the response before deciding its head. True: it was answered otherwise. */
  onDestroy(): boolean;
}

/** Bytes that may be collected at one time, over all responses. */
export interface CaptureBudget {
  readonly maxBodySize: number;
  /** Bytes left for all bodies being collected. */
  left: number;
}

type Done = (error?: Error | null) => void;
type Trailers = OutgoingHttpHeaders | readonly (readonly [string, string])[];

/** The methods that are replaced, with any of their arguments. */
interface Methods {
  writeHead: (...args: unknown[]) => ServerResponse;
  write: (...args: unknown[]) => boolean;
  end: (...args: unknown[]) => ServerResponse;
  flushHeaders: () => void;
  addTrailers: (...args: unknown[]) => void;
  destroy: (...args: unknown[]) => ServerResponse;
}

export class ResponseCapture {
  readonly #res: ServerResponse;
  readonly #events: CaptureEvents;
  readonly #budget: CaptureBudget;
  /** The methods as they were: the way to the client. */
  readonly #original: Methods;
  /** Fields set before the handler ran, by lowercase name. */
  readonly #before: ReadonlyMap<string, readonly [string, FieldValue]>;
  #plan: CapturePlan | undefined;
  #chunks: Buffer[] = [];
  #size = 0;
  #trailers: string[] = [];
  #declaredSize: number | undefined;
  #isEnded = false;
  #isClosed = false;
  #isReleased = false;

  constructor(res: ServerResponse, budget: CaptureBudget, events: CaptureEvents) {
    this.#res = res;
    this.#budget = budget;
    this.#events = events;
    const methods = res as unknown as Methods;
    const { writeHead, write, end, flushHeaders, addTrailers, destroy } = methods;
    this.#original = { writeHead, write, end, flushHeaders, addTrailers, destroy };
    this.#before = new Map(rawHeaderNames(res).map((name) => [name.toLowerCase(), [name, res.getHeader(name)]]));
    Object.assign<Methods, Methods>(methods, {
      writeHead: (...args) => this.#onWriteHead(args),
      write: (...args) => this.#onWrite(args),
      end: (...args) => this.#onEnd(args),
      flushHeaders: () => this.#onFlushHeaders(),
      addTrailers: (trailers) => this.#onAddTrailers(trailers as Trailers),
      destroy: (error) => this.#onDestroy(error),
    });
    res.once('close', () => this.#onClose());
  }

  /**
   * Stops watching and makes the response as it was before the handler: another answer can be written to it. What
   * the handler's own middleware wrapped around it is taken off as well: it belongs to the answer that was held back.
   */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#drop();
    const res = this.#res;
    Object.assign(res, this.#original);
    if (Object.hasOwn(res, 'headersSent')) delete (res as { headersSent?: boolean }).headersSent;
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    for (const [name, value] of this.#before.values()) if (value !== undefined) res.setHeader(name, value);
    res.statusMessage = '';
  }

  /** Past the decision the arguments are Node's to judge. */
  #onWriteHead(args: unknown[]): ServerResponse {
    const res = this.#res;
    if (this.#isHolding()) return res;
    if (this.#plan !== undefined || this.#isReleased) return this.#original.writeHead.apply(res, args);
    const [status, reason] = args;
    const headers = args.find((argument) => typeof argument === 'object' && argument !== null);
    if (headers !== undefined) applyHeaders(res, headers);
    const phrase = typeof reason === 'string' ? reason : res.statusMessage;
    this.#decide(Number(status), phrase === '' ? undefined : phrase);
    if (this.#isHolding()) return res;
    return this.#original.writeHead.apply(res, typeof reason === 'string' ? [status, reason] : [status]);
  }

  #decide(status: number, reason: string | undefined): void {
    const res = this.#res;
    res.statusCode = status;
    const declared = res.getHeader('content-length');
    this.#declaredSize = declared === undefined ? undefined : Number(declared);
    this.#plan = this.#events.onHead({
      status,
      reason,
      fields: this.#fields(),
      headers: this.#ownHeaders(),
      route: currentRoute(),
    });
    // Handlers that ask whether they already answered must hear that they did.
    if (this.#plan.hold) Object.defineProperty(res, 'headersSent', { configurable: true, get: () => true });
  }

  #fields(): Fields {
    const all = { ...this.#res.getHeaders() };
    if (sameValue(all['set-cookie'], this.#before.get('set-cookie')?.[1])) delete all['set-cookie'];
    return toFields(all);
  }

  #ownHeaders(): string[] {
    const flat: string[] = [];
    for (const name of rawHeaderNames(this.#res)) {
      const value: FieldValue = this.#res.getHeader(name);
      if (value === undefined || sameValue(value, this.#before.get(name.toLowerCase())?.[1])) continue;
      if (typeof value === 'object') for (const line of value) flat.push(name, line);
      else flat.push(name, String(value));
    }
    return flat;
  }

  /** Lets whatever wraps `writeHead` add its fields, then decides, before a first byte of the body. */
  #ensureHead(): void {
    if (this.#plan === undefined && !this.#isReleased) this.#res.writeHead(this.#res.statusCode);
  }

  #onFlushHeaders(): void {
    this.#ensureHead();
    if (!this.#isHolding()) this.#original.flushHeaders.call(this.#res);
  }

  #onWrite(args: unknown[]): boolean {
    const [chunk, encoding] = args;
    this.#ensureHead();
    this.#collect(chunk, encoding);
    if (!this.#isHolding()) return this.#original.write.apply(this.#res, args);
    const done = doneOf(args);
    if (done !== undefined) process.nextTick(done);
    return true;
  }

  #onEnd(args: unknown[]): ServerResponse {
    const res = this.#res;
    if (this.#isEnded || this.#isReleased) return this.#original.end.apply(res, args);
    const last = typeof args[0] === 'function' ? undefined : args[0];
    if (this.#plan === undefined) this.#stateLength(last, args[1]);
    this.#ensureHead();
    this.#collect(last, args[1]);
    this.#isEnded = true;
    const done = doneOf(args);
    if (!this.#isHolding()) this.#original.end.apply(res, args);
    else if (done !== undefined) res.once('finish', done);
    this.#events.onEnd(this.#takeBody());
    return res;
  }

  /** A body written in one piece has a known length; Node would state it, were the head not decided first. */
  #stateLength(last: unknown, encoding: unknown): void {
    const res = this.#res;
    const hasNone = res.req.method === 'HEAD' || res.statusCode === 204 || res.statusCode === 304;
    if (hasNone || ['content-length', 'transfer-encoding', 'trailer'].some((name) => res.hasHeader(name))) return;
    if (this.#trailers.length === 0) res.setHeader('Content-Length', toBytes(last, encoding).length);
  }

  #onAddTrailers(trailers: Trailers): void {
    const pairs = Array.isArray(trailers) ? (trailers as [string, string][]) : Object.entries(trailers);
    for (const [name, value] of pairs) this.#trailers.push(name, String(value));
    if (!this.#isHolding()) this.#original.addTrailers.call(this.#res, trailers);
  }

  #onDestroy(error: unknown): ServerResponse {
    const canAnswer = (this.#plan === undefined || this.#isHolding()) && !this.#isReleased && !this.#isClosed;
    if (canAnswer && this.#res.socket?.destroyed !== true && this.#events.onDestroy()) return this.#res;
    return this.#original.destroy.call(this.#res, error);
  }

  #onClose(): void {
    this.#isClosed = true;
    if (this.#isEnded || this.#isReleased) return;
    // What comes later cannot be told from a body cut short, unless nothing came yet and its length is stated.
    if (this.#plan !== undefined) this.#drop();
    this.#events.onClose();
  }

  #isHolding(): boolean {
    return this.#plan?.hold === true && !this.#isReleased;
  }

  #collect(chunk: unknown, encoding: unknown): void {
    if (this.#plan?.collect !== true || this.#isReleased) return;
    const copy = toBytes(chunk, encoding);
    if (this.#size + copy.length > this.#budget.maxBodySize || copy.length > this.#budget.left) {
      this.#drop();
      this.#events.onOverflow();
      return;
    }
    this.#budget.left -= copy.length;
    this.#size += copy.length;
    this.#chunks.push(copy);
  }

  /** The body, if it is all there: as long as the head said, and, where it said nothing, ended before the client left. */
  #takeBody(): CapturedBody | undefined {
    if (this.#plan?.collect !== true) return undefined;
    const isWhole =
      this.#declaredSize === undefined ? !this.#isClosed && !this.#res.destroyed : this.#declaredSize === this.#size;
    const captured = isWhole ? { body: Buffer.concat(this.#chunks, this.#size), trailers: this.#trailers } : undefined;
    this.#drop();
    return captured;
  }

  /** Stops collecting and gives the bytes back to the budget. */
  #drop(): void {
    this.#budget.left += this.#size;
    this.#size = 0;
    this.#chunks = [];
    if (this.#plan?.collect) this.#plan = { ...this.#plan, collect: false };
  }
}

/** Field names as they were set: `getHeaderNames` has them in lowercase. Node's types know this of requests only. */
function rawHeaderNames(res: ServerResponse): string[] {
  return (res as unknown as { getRawHeaderNames(): string[] }).getRawHeaderNames();
}

function sameValue(a: FieldValue, b: FieldValue): boolean {
  if (a === b) return true;
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((line, i) => line === b[i]);
}

/** A copy of a chunk: the handler may write over its own once it has been written. */
function toBytes(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  return chunk instanceof Uint8Array ? Buffer.from(chunk) : Buffer.alloc(0);
}

/** The callback among the arguments of `write` or `end`. */
function doneOf(args: readonly unknown[]): Done | undefined {
  return args.find((argument): argument is Done => typeof argument === 'function');
}
