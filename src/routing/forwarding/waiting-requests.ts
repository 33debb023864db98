/** Which requests wait for which instance, so that they can be sent to another one if it is unavailable. */
import type { Instance } from '../instance.js';

export interface WaitingRequest {
  readonly isMovable: boolean;
  tryElsewhere(): void;
}

/** The wait of one request for one instance. */
export class Wait {
  readonly request: WaitingRequest;
  readonly queue: Wait[];
  place: number;

  constructor(request: WaitingRequest, queue: Wait[]) {
    this.request = request;
    this.queue = queue;
    this.place = queue.length;
  }
}

/**
 * Unordered lists, from which a wait is removed by its position. They are not sets: adding and deleting one member per
 * request makes V8 replace the table of a set again and again. The old tables keep finished requests in memory.
 */
export class WaitingRequests {
  readonly #waiting = new Map<Instance, Wait[]>();

  /** Only requests that can be moved are kept. Pass the returned value to `remove`. */
  add(instance: Instance, request: WaitingRequest): Wait | undefined {
    if (!request.isMovable) return undefined;
    let queue = this.#waiting.get(instance);
    if (queue === undefined) this.#waiting.set(instance, (queue = []));
    const wait = new Wait(request, queue);
    queue.push(wait);
    return wait;
  }

  remove(wait: Wait): void {
    const { queue, place } = wait;
    const last = queue.pop()!;
    if (last === wait) return;
    queue[place] = last;
    last.place = place;
  }

  /** No response is expected from this instance: requests that wait for it try another one too. */
  move(instance: Instance): void {
    for (const { request } of [...(this.#waiting.get(instance) ?? [])]) request.tryElsewhere();
  }

  /** The instance was removed. Requests that still wait for it continue to wait. */
  forget(instance: Instance): void {
    this.#waiting.delete(instance);
  }
}
