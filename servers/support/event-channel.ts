/** Server-sent events to several subscribers. The unread data of each subscriber is bounded. */
import type { Response } from 'express';

/** A periodic comment keeps idle connections open through proxies and detects closed ones. */
const HEARTBEAT_MS = 15_000;

/** Maximum number of subscribers at a time. Each one uses a socket. */
const MAX_SUBSCRIBERS = 1000;

/**
 * A subscriber with more unread bytes than this is disconnected. It reconnects and gets the missed or the newest
 * events.
 */
const MAX_UNREAD = 1024 * 1024;

export interface EventMessage {
  /** Sent by a subscriber as `Last-Event-ID` when it reconnects. */
  readonly id: string;
  readonly event: string;
  /** JSON on one line. */
  readonly data: string;
}

/** The wire format of a message (HTML Living Standard, 9.2.5). */
export function eventText({ id, event, data }: EventMessage): string {
  return `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`;
}

export class EventChannel {
  readonly #subscribers = new Set<Response>();
  readonly #heartbeat = setInterval(() => this.send(':\n\n'), HEARTBEAT_MS).unref();
  readonly #onCount: (subscribers: number) => void;

  /** @param onCount called with the number of subscribers whenever it changes */
  constructor(onCount: (subscribers: number) => void = () => undefined) {
    this.#onCount = onCount;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  /**
   * Turns a response into the stream, which begins with `first`. Returns false if there are too many subscribers.
   *
   * @param retry milliseconds after which a disconnected subscriber reconnects
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

  /** Writes to all subscribers. A subscriber that reads too slowly is disconnected. */
  send(text: string): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.writableLength > MAX_UNREAD) subscriber.destroy();
      else subscriber.write(text);
    }
  }

  /** Ends all streams. Idempotent. */
  close(): void {
    clearInterval(this.#heartbeat);
    for (const subscriber of this.#subscribers) subscriber.end();
    this.#subscribers.clear();
  }
}
