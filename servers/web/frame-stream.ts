/**
 * One stream of frames for all pages of the control room. A page that reconnects gets the frames it missed, as long as
 * they are still stored.
 */
import { randomBytes } from 'node:crypto';
import type { Response } from 'express';
import { EventChannel, eventText } from '../support/event-channel.js';

/** Maximum size of stored frames in characters: some minutes for a small fleet. */
const MAX_HELD = 512 * 1024;

/** Milliseconds after which a disconnected page reconnects. */
const RETRY = 1000;

/** Follows the stored frames: those after it are new. */
const CURRENT = 'event: current\ndata: {}\n\n';

/** A frame as it is sent. */
export interface HeldFrame {
  readonly id: string;
  readonly text: string;
}

export class FrameStream {
  /** Distinguishes the frame ids of this process from those of an earlier process. */
  readonly #epoch = randomBytes(4).toString('hex');
  readonly #channel: EventChannel;
  #held: HeldFrame[] = [];
  #heldSize = 0;
  #number = 0;
  /** Called with each frame that was made here. */
  onPublish: ((frame: HeldFrame) => void) | undefined;

  /** @param onCount called with the number of subscribers whenever it changes */
  constructor(onCount?: (subscribers: number) => void) {
    this.#channel = new EventChannel(onCount);
  }

  /**
   * Turns a response into the stream. It sends the frames after `lastEventId`, or all stored frames if that id is
   * unknown, then the event `current`, and then each new frame. Returns false if there are too many subscribers.
   */
  subscribe(res: Response, lastEventId: string | undefined): boolean {
    const last = this.#held.findIndex(({ id }) => id === lastEventId);
    const missed = this.#held.slice(last + 1).map(({ text }) => text);
    return this.#channel.subscribe(res, missed.join('') + CURRENT, RETRY);
  }

  publish(frame: object): void {
    const id = `${this.#epoch}-${++this.#number}`;
    const text = eventText({ id, event: 'frame', data: JSON.stringify(frame) });
    this.#send({ id, text });
    this.onPublish?.({ id, text });
  }

  /** The stored frames, oldest first. */
  get held(): readonly HeldFrame[] {
    return this.#held;
  }

  /** Sends frames that another process made. Those that are stored already are left out. */
  take(frames: readonly HeldFrame[]): void {
    for (const frame of frames) if (!this.#held.some(({ id }) => id === frame.id)) this.#send(frame);
  }

  #send(frame: HeldFrame): void {
    this.#held.push(frame);
    this.#heldSize += frame.text.length;
    while (this.#heldSize > MAX_HELD) this.#heldSize -= this.#held.shift()!.text.length;
    this.#channel.send(frame.text);
  }

  close(): void {
    this.#channel.close();
  }
}
