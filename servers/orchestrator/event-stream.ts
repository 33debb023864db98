/**
 * Server-sent events of one changing value. Each subscriber gets the whole value at once and again after each change.
 */
import type { Response } from 'express';
import { EventChannel, eventText } from '../support/event-channel.js';

/** Milliseconds after which a disconnected subscriber reconnects. */
const RETRY = 500;

export class EventStream<T> {
  readonly #channel = new EventChannel();
  #version = 0;

  /** @param current returns the current value, which is sent to a new subscriber */
  constructor(private readonly current: () => T) {}

  /** Turns a response into the stream. Returns false if there are too many subscribers. */
  subscribe(res: Response): boolean {
    return this.#channel.subscribe(res, this.#event('snapshot'), RETRY);
  }

  /** Sends the current value to all subscribers. */
  changed(): void {
    this.#version++;
    if (this.#channel.size > 0) this.#channel.send(this.#event('change'));
  }

  close(): void {
    this.#channel.close();
  }

  #event(event: 'snapshot' | 'change'): string {
    return eventText({ id: String(this.#version), event, data: JSON.stringify(this.current()) });
  }
}
