/**
 * Server-sent events that are kept, so that a subscriber that lost its connection gets the missed ones: it sends the id
 * of its last event as `Last-Event-ID`.
 */
import type { Response } from 'express';
import { EventChannel, eventText } from './event-channel.js';

/** Milliseconds after which a disconnected subscriber reconnects. */
const RETRY = 500;

/** The id of an event: the id of its channel, and its number. */
export interface EventId {
  readonly channel: string;
  readonly number: number;
}

/** Reads a `Last-Event-ID`. Returns undefined if it is not an id of such a channel. */
export function parseEventId(text: string): EventId | undefined {
  const [, channel, number] = /^([\w-]{1,64})\.(\d{1,9})$/.exec(text) ?? [];
  return channel === undefined ? undefined : { channel, number: Number(number) };
}

export class ReplayChannel {
  readonly #events: string[] = [];
  readonly #channel: EventChannel;
  #size = 0;
  #isEnded = false;

  /**
   * @param id part of the id of each event. It must be hard to guess, because it gives access to the events.
   * @param onCount called with the number of subscribers whenever it changes, until the end
   */
  constructor(
    readonly id: string,
    onCount: (subscribers: number) => void = () => undefined,
  ) {
    this.#channel = new EventChannel((subscribers) => {
      if (!this.#isEnded) onCount(subscribers);
    });
  }

  /** Number of characters of all events. */
  get size(): number {
    return this.#size;
  }

  send(event: string, data: object): void {
    const text = eventText({ id: `${this.id}.${this.#events.length}`, event, data: JSON.stringify(data) });
    this.#events.push(text);
    this.#size += text.length;
    this.#channel.send(text);
  }

  /**
   * Turns a response into the stream of the events after a given one. Returns false if there are too many subscribers.
   *
   * @param after number of the last event that the subscriber has; -1 for all events
   */
  subscribe(res: Response, after: number): boolean {
    const missed = this.#events.slice(after + 1).join('');
    if (!this.#channel.subscribe(res, missed, RETRY)) return false;
    if (this.#isEnded) res.end();
    return true;
  }

  /** Ends all streams. The events remain. Idempotent. */
  end(): void {
    this.#isEnded = true;
    this.#channel.close();
  }
}
