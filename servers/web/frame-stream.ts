/** The frames of the control room as one stream for every page: who returns gets what it missed, while that is held. */
import { randomBytes } from 'node:crypto';
import type { Response } from 'express';
import { EventChannel, eventText } from '../support/event-channel.js';

/** Characters of frames held for whoever comes or returns: some minutes of a small fleet. */
const MAX_HELD = 512 * 1024;

/** Milliseconds after which a page whose stream broke comes again. */
const RETRY = 1000;

interface HeldFrame {
  readonly id: string;
  readonly text: string;
}

export class FrameStream {
  /** Tells the frames of this process from those of one before it, which had numbers as well. */
  readonly #epoch = randomBytes(4).toString('hex');
  readonly #channel: EventChannel;
  #held: HeldFrame[] = [];
  #heldSize = 0;
  #number = 0;

  /** @param onCount told how many subscribers there are whenever one comes or goes */
  constructor(onCount?: (subscribers: number) => void) {
    this.#channel = new EventChannel(onCount);
  }

  /**
   * Makes a response the stream: the frames after `lastEventId`, or all that are held where that is unknown, and from
   * then on each new one. False when there are too many subscribers.
   */
  subscribe(res: Response, lastEventId: string | undefined): boolean {
    const last = this.#held.findIndex(({ id }) => id === lastEventId);
    const missed = this.#held.slice(last + 1).map(({ text }) => text);
    return this.#channel.subscribe(res, missed.join(''), RETRY);
  }

  publish(frame: object): void {
    const id = `${this.#epoch}-${++this.#number}`;
    const text = eventText({ id, event: 'frame', data: JSON.stringify(frame) });
    this.#held.push({ id, text });
    this.#heldSize += text.length;
    while (this.#heldSize > MAX_HELD) this.#heldSize -= this.#held.shift()!.text.length;
    this.#channel.send(text);
  }

  close(): void {
    this.#channel.close();
  }
}
