/** Which requests wait for which instance, so that they can be sent to another one if it is unavailable. */
import type { Instance } from '../instance.js';

/** The wait of one request for one instance. */
export interface Wait {
  /** Its place in the list of the instance; `NOT_WAITING` outside of it. Set there. */
  waitPlace: number;
  /** Whether the request can be sent to another instance at the same time. */
  readonly isMovable: boolean;
  tryElsewhere(): void;
}

/** The place of what is in no list. */
export const NOT_WAITING = -1;

/**
 * Unordered lists, from which a wait is removed by its position. They are not sets: adding and deleting one member per
 * request makes V8 replace the table of a set again and again. The old tables keep finished requests in memory.
 */
export class WaitingRequests {
  readonly #waiting = new Map<Instance, Wait[]>();

  /** Only requests that can be moved are kept. */
  add(instance: Instance, wait: Wait): void {
    if (!wait.isMovable) return;
    let queue = this.#waiting.get(instance);
    if (queue === undefined) this.#waiting.set(instance, (queue = []));
    wait.waitPlace = queue.length;
    queue.push(wait);
  }

  /** Does nothing for a request that was not kept. */
  remove(instance: Instance, wait: Wait): void {
    const place = wait.waitPlace;
    const queue = this.#waiting.get(instance);
    wait.waitPlace = NOT_WAITING;
    if (queue === undefined || queue[place] !== wait) return; // the instance was removed in the meantime
    const last = queue.pop()!;
    if (last === wait) return;
    queue[place] = last;
    last.waitPlace = place;
  }

  /** No response is expected from this instance: requests that wait for it try another one too. */
  move(instance: Instance): void {
    for (const wait of [...(this.#waiting.get(instance) ?? [])]) wait.tryElsewhere();
  }

  /** The instance was removed. Requests that still wait for it continue to wait. */
  forget(instance: Instance): void {
    this.#waiting.delete(instance);
  }
}
