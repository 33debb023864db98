/** The instances that a request was sent to: most often one, so that a set is created only for the second attempt. */
import type { Instance } from '../instance.js';

export class TriedInstances {
  #first: Instance | undefined;
  #all: Set<Instance> | undefined;

  add(instance: Instance): void {
    if (this.#first === undefined) this.#first = instance;
    else this.all().add(instance);
  }

  get size(): number {
    return this.#all?.size ?? (this.#first === undefined ? 0 : 1);
  }

  all(): Set<Instance> {
    this.#all ??= new Set();
    if (this.#first !== undefined) this.#all.add(this.#first);
    return this.#all;
  }
}
