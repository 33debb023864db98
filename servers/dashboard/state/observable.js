// A value that views can subscribe to.
import { useEffect, useState } from 'preact/hooks';

export class Observable {
  #value;
  #listeners = new Set();

  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  set(value) {
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The current value. The component renders again whenever the value is set. */
export function useObservable(observable) {
  const [, redraw] = useState(0);
  useEffect(() => observable.subscribe(() => redraw((times) => times + 1)), [observable]);
  return observable.value;
}
