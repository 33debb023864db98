/** Server-sent events to any number of subscribers, each bounded in what it may leave unread. */
import type { Response } from 'express';

/** A comment now and then keeps idle connections open through proxies and shows the ends that are gone. */
const HEARTBEAT_MS = 15_000;

/** Subscribers at a time; each costs a socket. */
const MAX_SUBSCRIBERS = 1000;

/** Bytes a subscriber may leave unread before it is dropped: it reconnects, and gets what it missed or the newest. */
const MAX_UNREAD = 1024 * 1024;

export interface EventMessage {
  /** What a subscriber sends as `Last-Event-ID` when it returns. */
  readonly id: string;
  readonly event: string;
  /** JSON: on one line. */
  readonly data: string;
}

/** The message on the wire (HTML Living Standard, 9.2.5). */
export function eventText({ id, event, data }: EventMessage): string {
  return `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`;
}

export class EventChannel {
  readonly #subscribers = new Set<Response>();
  readonly #heartbeat = setInterval(() => this.send(':\n\n'), HEARTBEAT_MS).unref();
  readonly #onCount: (subscribers: number) => void;

  /** @param onCount told how many there are whenever one comes or goes */
  constructor(onCount: (subscribers: number) => void = () => undefined) {
    this.#onCount = onCount;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  /**
   * Makes a response the stream, beginning with `first`; false when there are too many already.
   *
   * @param retry milliseconds after which a subscriber whose stream broke comes again
   */
  subscribe(res: Response, first: string, retry: number): boolean {
    if (this.#subscribers.size >= MAX_SUBSCRIBERS) return false;
    res.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    res.write(`retry: ${retry}\n\n${first}`);
    this.#subscribers.add(res);
    res.once('close', () => {
      if (this.#subscribers.delete(res)) this.#onCount(this.#subscribers.size);
    });
    this.#onCount(this.#subscribers.size);
    return true;
  }

  /** Writes to every subscriber; one that reads too slowly is dropped. */
  send(text: string): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.writableLength > MAX_UNREAD) subscriber.destroy();
      else subscriber.write(text);
    }
  }

  /** Ends every stream. Idempotent. */
  close(): void {
    clearInterval(this.#heartbeat);
    for (const subscriber of this.#subscribers) subscriber.end();
    this.#subscribers.clear();
  }
}
