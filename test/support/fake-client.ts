/** An undici client whose connection a test moves by hand. It keeps the order in which undici calls and emits. */
import { EventEmitter } from 'node:events';
import type { Dispatcher } from 'undici';

type Handler = Required<Dispatcher.DispatchHandler>;

const failure = (code: string): Error => Object.assign(new Error(code), { code });
const CONTROLLER = {} as Dispatcher.DispatchController;

export class FakeClient extends EventEmitter {
  /** The paths of the requests that it took. */
  readonly sent: string[] = [];
  readonly stats = { connected: false };
  destroyed = false;
  #handler: Handler | undefined;
  #isBusy = false;
  #isRunning = false;

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Whether its request is written, and waits for a response. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** A path of `invalid` is rejected, without any event. */
  dispatch({ path }: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.destroyed) throw new Error('a request for a destroyed client');
    if (this.#isBusy) throw new Error('a second request for a client that has one');
    this.sent.push(path);
    this.#handler = handler as Handler;
    if (path === 'invalid') this.#fail('UND_ERR_INVALID_ARG');
    else {
      this.#isBusy = true;
      if (this.stats.connected) this.#start();
    }
    return false;
  }

  connect(): void {
    this.stats.connected = true;
    this.emit('connect', undefined, [this]);
    if (this.#handler !== undefined) this.#start();
  }

  /** It could not connect. */
  refuse(): void {
    this.#fail('ECONNREFUSED');
    this.emit('connectionError', undefined, [this], failure('ECONNREFUSED'));
  }

  /** The response to its request is complete. It takes another request after `drain`. */
  respond(): void {
    const handler = this.#handler!;
    this.#handler = undefined;
    this.#isRunning = false;
    handler.onResponseEnd(CONTROLLER, {});
  }

  /** Its request was aborted while it ran. Its socket is about to close; call `lose` for that. */
  abort(): void {
    this.stats.connected = false;
    this.#fail('UND_ERR_ABORTED');
  }

  drain(): void {
    this.#isBusy = false;
    this.emit('drain', undefined, [this]);
  }

  /** Its connection ends. A request that was not written stays, as in undici, which connects again for it. */
  lose(code = 'UND_ERR_SOCKET'): void {
    this.stats.connected = false;
    if (this.#isRunning) this.#fail(code);
    this.emit('disconnect', undefined, [this], failure(code));
  }

  destroy(): Promise<void> {
    if (this.destroyed) return Promise.resolve();
    this.destroyed = true;
    this.#fail('UND_ERR_DESTROYED');
    if (this.stats.connected) queueMicrotask(() => this.lose('UND_ERR_DESTROYED'));
    return Promise.resolve();
  }

  #start(): void {
    this.#isRunning = true;
    this.#handler!.onRequestStart(CONTROLLER, {});
  }

  #fail(code: string): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#isRunning = false;
    handler?.onResponseError(CONTROLLER, failure(code));
  }
}
