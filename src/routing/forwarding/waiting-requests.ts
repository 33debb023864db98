/** Which requests wait for which instance, so that they can be sent elsewhere when it turns out to be down. */
import type { Instance } from '../instance.js';

export interface WaitingRequest {
  readonly isMovable: boolean;
  tryElsewhere(): void;
}

export class WaitingRequests {
  readonly #waiting = new Map<Instance, Set<WaitingRequest>>();

  /** Only those that could be moved are kept. */
  add(instance: Instance, request: WaitingRequest): void {
    if (!request.isMovable) return;
    const requests = this.#waiting.get(instance);
    if (requests === undefined) this.#waiting.set(instance, new Set([request]));
    else requests.add(request);
  }

  remove(instance: Instance, request: WaitingRequest): void {
    this.#waiting.get(instance)?.delete(request);
  }

  /** Nothing is to be expected of this instance: what waits for it asks another one too. */
  move(instance: Instance): void {
    for (const request of [...(this.#waiting.get(instance) ?? [])]) request.tryElsewhere();
  }

  /** The instance is gone; requests that still wait for it keep waiting. */
  forget(instance: Instance): void {
    this.#waiting.delete(instance);
  }
}
