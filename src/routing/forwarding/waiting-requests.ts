/** Which requests wait for which instance, so that they can be sent elsewhere when it turns out to be down. */
import type { Instance } from '../instance.js';

export interface WaitingRequest {
  readonly isMovable: boolean;
  tryElsewhere(): void;
}

/** One request's wait for one instance. */
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
 * Lists in no order, from which a wait is taken by its place. Not sets: what is added to and deleted from one for every
 * request makes V8 replace its table again and again, and the tables left behind keep requests alive that are long over.
 */
export class WaitingRequests {
  readonly #waiting = new Map<Instance, Wait[]>();

  /** Only requests that could be moved are kept; `remove` what is returned. */
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

  /** Nothing is to be expected of this instance: what waits for it asks another one too. */
  move(instance: Instance): void {
    for (const { request } of [...(this.#waiting.get(instance) ?? [])]) request.tryElsewhere();
  }

  /** The instance is gone; requests that still wait for it keep waiting. */
  forget(instance: Instance): void {
    this.#waiting.delete(instance);
  }
}
