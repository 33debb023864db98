/** Server-sent events of one changing value: each subscriber gets the whole of it at once and again with every change. */
import type { Response } from 'express';
import { EventChannel, eventText } from '../support/event-channel.js';

/** Milliseconds after which a subscriber whose stream broke comes again. */
const RETRY = 500;

export class EventStream<T> {
  readonly #channel = new EventChannel();
  #version = 0;

  /** @param current the value now, as it is sent to a new subscriber */
  constructor(private readonly current: () => T) {}

  /** Makes a response the stream; false when there are too many already. */
  subscribe(res: Response): boolean {
    return this.#channel.subscribe(res, this.#event('snapshot'), RETRY);
  }

  /** Tells every subscriber the value as it is now. */
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
