/** Server-sent events of one changing value: each subscriber gets the whole of it at once and again with every change. */
import type { Response } from 'express';

/** A comment now and then keeps idle connections open through proxies and shows the ends that are gone. */
const HEARTBEAT_MS = 15_000;

/** Subscribers at a time; each costs a socket. */
const MAX_SUBSCRIBERS = 1000;

/** Bytes a subscriber may leave unread before it is dropped: it reconnects and gets the newest. */
const MAX_UNREAD = 1024 * 1024;

export class EventStream<T> {
  readonly #subscribers = new Set<Response>();
  readonly #heartbeat: NodeJS.Timeout;
  #version = 0;

  /** @param current the value now, as it is sent to a new subscriber */
  constructor(private readonly current: () => T) {
    this.#heartbeat = setInterval(() => this.#write(':\n\n'), HEARTBEAT_MS).unref();
  }

  /** Makes a response the stream; false when there are too many already. */
  subscribe(res: Response): boolean {
    if (this.#subscribers.size >= MAX_SUBSCRIBERS) return false;
    res.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    res.write(`retry: 500\n${this.#event('snapshot', this.current())}`);
    this.#subscribers.add(res);
    res.once('close', () => this.#subscribers.delete(res));
    return true;
  }

  /** Tells every subscriber the value as it is now. */
  changed(): void {
    this.#version++;
    if (this.#subscribers.size > 0) this.#write(this.#event('change', this.current()));
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const subscriber of this.#subscribers) subscriber.end();
    this.#subscribers.clear();
  }

  #event(name: string, value: T): string {
    return `id: ${this.#version}\nevent: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
  }

  #write(text: string): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.writableLength > MAX_UNREAD) subscriber.destroy();
      else subscriber.write(text);
    }
  }
}
