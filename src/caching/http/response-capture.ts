/**
 * Watches the response of a handler: the head when Node accepts it, the body as it passes, and the end. The client
 * receives everything as it is written, unless the watcher holds the response back to send another one. If the head
 * shows that the response cannot be stored, the watcher stops there.
 *
 * The methods of the instance are replaced, so that Express, `compression` and sessions work on either side of it.
 * Middleware mounted before this one wraps the response to the client. Middleware after it wraps the captured response.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { routeOf } from '../../shared/instrumentation.js';
import { onRequestOver } from '../../shared/request-over.js';
import { isHttp2Response } from '../../shared/http2-message.js';
import { CapturedChunks, type CaptureBudget } from './captured-chunks.js';
import type { FieldList } from './field-list.js';
import type { FlatFields } from './fields.js';
import { fieldsSet, HeadHook, setFields, type DecidedHead, type HeadListener } from './head-hook.js';
import { ResponseHead } from './response-head.js';

/** The plan for the rest of the response. */
export interface CapturePlan {
  /** Keep a copy of the body. */
  readonly collect: boolean;
  /** Withhold it from the client; `onEnd` sends another response. */
  readonly hold: boolean;
  /** The `Cache-Status` to send with a head that is not held. */
  readonly status?: string;
}

/** A complete body and its trailers. */
export interface CapturedBody {
  readonly body: Buffer;
  readonly trailers: FlatFields;
}

export interface CaptureEvents {
  /**
   * Decides how to handle a head. Has no effects, because Node may still reject the head, and another one then follows.
   */
  onHead(head: ResponseHead): CapturePlan;
  /** The head was sent or is held back. */
  onAccepted(): void;
  /** The handler ended the response; includes the body if it was collected and is complete. */
  onEnd(captured: CapturedBody | undefined): void;
  /** The body exceeds the limit for collecting, and passes on to the client. */
  onOverflow(): void;
  /** The request was over before the handler ended the response. */
  onClose(): void;
  /** The handler destroyed the response before it decided the head. True: another response was sent. */
  onDestroy(): boolean;
}

type Done = (error?: Error | null) => void;
type Trailers = OutgoingHttpHeaders | readonly (readonly [string, string])[];

/** The methods that are replaced, with any of their arguments. */
interface Methods {
  write: (...args: unknown[]) => boolean;
  end: (...args: unknown[]) => ServerResponse;
  flushHeaders: () => void;
  addTrailers: (...args: unknown[]) => void;
  destroy: (...args: unknown[]) => ServerResponse;
}

/**
 * Fields instead of object literals: V8 allocates a literal in the old generation if many of its objects outlived a
 * collection. There it keeps everything it refers to until the next collection of that generation: 4 MB per young
 * collection, and a third of the processor time of a response that passes.
 */
export class ResponseCapture implements HeadListener {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #events: CaptureEvents;
  readonly #chunks: CapturedChunks;
  readonly #mayHold: boolean;
  readonly #head: HeadHook;
  readonly #write: ReplacedMethod<'write'>;
  readonly #end: ReplacedMethod<'end'>;
  readonly #addTrailers: ReplacedMethod<'addTrailers'>;
  readonly #flushHeaders: ReplacedMethod<'flushHeaders'> | undefined;
  readonly #destroy: ReplacedMethod<'destroy'> | undefined;
  /** Fields set before the handler ran. */
  readonly #before: FieldList;
  readonly #stopListening: () => void;
  #plan: CapturePlan | undefined;
  #trailers: string[] | undefined;
  #isEnding = false;
  #isEnded = false;
  #isClosed = false;
  #isReleased = false;

  /** @param mayHold whether a response may be held back; otherwise nothing happens before Node has accepted the head */
  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    mayHold: boolean,
    budget: CaptureBudget,
    events: CaptureEvents,
  ) {
    this.#req = req;
    this.#res = res;
    this.#mayHold = mayHold;
    this.#events = events;
    this.#before = fieldsSet(res);
    this.#write = new ReplacedMethod(res, 'write', (...args) => this.#onWrite(args));
    this.#end = new ReplacedMethod(res, 'end', (...args) => this.#onEnd(args));
    this.#addTrailers = new ReplacedMethod(res, 'addTrailers', (trailers) => this.#onAddTrailers(trailers as Trailers));
    if (mayHold) {
      this.#flushHeaders = new ReplacedMethod(res, 'flushHeaders', () => this.#onFlushHeaders());
      this.#destroy = new ReplacedMethod(res, 'destroy', (error) => this.#onDestroy(error));
    }
    this.#head = new HeadHook(res, this);
    this.#chunks = new CapturedChunks(req, res, budget);
    this.#stopListening = onRequestOver(req, res, () => this.#onOver());
  }

  /**
   * Stops watching and restores the response to its state before the handler, so that another response can be written
   * to it. Wrappers that the handler's own middleware put around it are removed too, because they belong to the held
   * response.
   */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#stopListening();
    this.#chunks.drop();
    const res = this.#res;
    this.#head.restore();
    this.#write.restore();
    this.#end.restore();
    this.#addTrailers.restore();
    this.#flushHeaders?.restore();
    this.#destroy?.restore();
    // The getter exists only for a response that was held, and deleting makes every later use of the object slow.
    if (Object.hasOwn(res, 'headersSent')) delete (res as { headersSent?: boolean }).headersSent;
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    setFields(res, this.#before);
    if (!isHttp2Response(res)) res.statusMessage = '';
  }

  /**
   * Stops watching a response that goes to the client unchanged. Methods that were replaced later stay and pass
   * through.
   */
  #stop(): void {
    this.#stopListening();
    this.#head.remove();
    this.#write.restoreIfOnTop();
    this.#end.restoreIfOnTop();
    this.#addTrailers.restoreIfOnTop();
    this.#isReleased = true;
  }

  judge(head: DecidedHead): string | undefined {
    this.#plan = this.#events.onHead(new ResponseHead(head, this.#before, routeOf(this.#req)));
    const length = head.valueOf('content-length');
    this.#chunks.declaredSize = length === undefined ? undefined : Number(length);
    return this.#plan.status;
  }

  accept(): void {
    const plan = this.#plan!;
    // Handlers that check whether they have already responded must see that they have.
    if (plan.hold) Object.defineProperty(this.#res, 'headersSent', { configurable: true, get: () => true });
    this.#events.onAccepted();
    if (!plan.hold && !plan.collect && !this.#mayHold) this.#stop();
  }

  #onFlushHeaders(): void {
    this.#head.probe();
    if (!this.isHeld()) this.#flushHeaders!.original.call(this.#res);
  }

  #onWrite(args: unknown[]): boolean {
    const [chunk, encoding] = args;
    if (this.#mayHold && isChunk(chunk)) this.#head.probe();
    if (this.isHeld()) {
      this.#collect(chunk, encoding);
      const done = doneOf(args);
      if (done !== undefined) process.nextTick(done);
      return true;
    }
    const mayGoOn = this.#write.original.apply(this.#res, args);
    // HTTP/2 writes the last chunk through `write`, in which case `end` already has it.
    if (this.#isEnding) return mayGoOn;
    this.#collect(chunk, encoding);
    return this.#chunks.isCollecting ? true : mayGoOn;
  }

  #onEnd(args: unknown[]): ServerResponse {
    const res = this.#res;
    if (this.#isEnded || this.#isReleased || this.#isEnding) return this.#end.original.apply(res, args);
    const last = typeof args[0] === 'function' ? undefined : args[0];
    if (this.#mayHold && (last === undefined || last === null || isChunk(last))) this.#head.probe();
    else if (isHttp2Response(res) && !this.#head.isDecided && !res.headersSent) res.writeHead(res.statusCode);
    if (this.isHeld()) {
      this.#collect(last, args[1]);
      const done = doneOf(args);
      if (done !== undefined) res.once('finish', done);
    } else {
      const isOver = res.writableEnded;
      this.#isEnding = true;
      try {
        this.#end.original.apply(res, args);
      } finally {
        this.#isEnding = false;
      }
      if (isOver || this.#isReleased) return res;
      this.#collect(last, args[1]);
    }
    this.#isEnded = true;
    this.#events.onEnd(this.#takeBody());
    return res;
  }

  #onAddTrailers(trailers: Trailers): void {
    if (!this.isHeld()) this.#addTrailers.original.call(this.#res, trailers);
    const pairs = Array.isArray(trailers) ? (trailers as [string, string][]) : Object.entries(trailers);
    const flat = (this.#trailers ??= []);
    for (const [name, value] of pairs) flat.push(name, String(value));
  }

  #onDestroy(error: unknown): ServerResponse {
    const canAnswer = (this.#plan === undefined || this.isHeld()) && !this.#isReleased && !this.#isClosed;
    if (canAnswer && this.#res.socket?.destroyed !== true && this.#events.onDestroy()) return this.#res;
    return this.#destroy!.original.call(this.#res, error);
  }

  #onOver(): void {
    this.#isClosed = true;
    if (this.#isEnded || this.#isReleased) return;
    // A later body cannot be distinguished from a truncated one, unless nothing was written yet and its length is
    // stated.
    if (this.#plan !== undefined) this.#chunks.drop();
    this.#events.onClose();
  }

  isHeld(): boolean {
    return this.#plan?.hold === true && !this.#isReleased;
  }

  #collect(chunk: unknown, encoding: unknown): void {
    if (this.#isReleased || this.#plan?.collect !== true || this.#chunks.isDropped) return;
    if (!this.#chunks.add(chunk, encoding)) this.#events.onOverflow();
  }

  #takeBody(): CapturedBody | undefined {
    const isCollected = this.#plan?.collect === true && !this.#isReleased;
    const body = isCollected ? this.#chunks.take(!this.#isClosed && !this.#res.destroyed) : undefined;
    return body && { body, trailers: this.#trailers ?? [] };
  }
}

function isChunk(chunk: unknown): boolean {
  return typeof chunk === 'string' || chunk instanceof Uint8Array;
}

/** The callback among the arguments of `write` or `end`. */
function doneOf(args: readonly unknown[]): Done | undefined {
  return args.find((argument): argument is Done => typeof argument === 'function');
}

/**
 * A method of a response with another in its place. Restoring assigns the method instead of deleting the property, because
 * V8 treats an object with deleted properties as a dictionary, which made each later step of Node slower.
 */
class ReplacedMethod<K extends keyof Methods> {
  readonly original: Methods[K];
  readonly #res: Methods;
  readonly #name: K;
  readonly #hook: Methods[K];

  constructor(res: ServerResponse, name: K, hook: Methods[K]) {
    this.#res = res as unknown as Methods;
    this.#name = name;
    this.#hook = hook;
    this.original = this.#res[name];
    this.#res[name] = hook;
  }

  restore(): void {
    this.#res[this.#name] = this.original;
  }

  restoreIfOnTop(): void {
    if (this.#res[this.#name] === this.#hook) this.restore();
  }
}
