/** When a command is too late by a server's clock, learnt from the server's replies. */
import { monotonicClock } from '../shared/clock.js';
import { microseconds } from './quota.js';

/** This process' monotonic time in whole microseconds. */
export function monotonicMicroseconds(): number {
  return microseconds(monotonicClock.now());
}

export class ServerTime {
  /** The server's time less this process' monotonic one, in µs; undefined before the first reply. */
  #offset: number | undefined;

  /** The server's time `after` microseconds after `sent`; 0 where it is not known yet. */
  deadline(sent: number, after: number): number {
    return this.#offset === undefined ? 0 : sent + after + this.#offset;
  }

  /**
   * The command ran between sending and receiving, so the offset lies between two bounds; the estimate is moved no
   * further than they ask. A server whose clock was set is followed at once.
   */
  learn(serverTime: number, sent: number): void {
    const least = serverTime - monotonicMicroseconds();
    const most = serverTime - sent;
    this.#offset = Math.min(most, Math.max(least, this.#offset ?? least));
  }
}
