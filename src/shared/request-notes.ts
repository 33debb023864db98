/**
 * A value kept for each request. As a property where that is cheap: an entry in a `WeakMap` costs about 1 µs more, above
 * all in the garbage collector. Express changes the prototype of a request, after which Node 20 and 22 read or add a
 * property only by the slow way, 1 to 3 µs, so such a request has an entry.
 */
import { IncomingMessage } from 'node:http';

type WithNote<T> = Record<symbol, T | undefined>;

export class RequestNotes<T> {
  readonly #key: symbol;
  readonly #entries = new WeakMap<IncomingMessage, T>();
  /** Whether a request may have the property. */
  #usesProperty = false;

  /** @param description the name of the property, for people who inspect a request */
  constructor(description: string) {
    this.#key = Symbol(description);
  }

  get(req: IncomingMessage): T | undefined {
    if (isUnchanged(req)) return (req as unknown as WithNote<T>)[this.#key];
    const entry = this.#entries.get(req);
    if (entry !== undefined || !this.#usesProperty) return entry;
    return (req as unknown as WithNote<T>)[this.#key]; // kept before the request came to Express
  }

  set(req: IncomingMessage, value: T): void {
    if (!isUnchanged(req)) return void this.#entries.set(req, value);
    this.#usesProperty = true;
    (req as unknown as WithNote<T>)[this.#key] = value;
  }
}

const isUnchanged = (req: IncomingMessage): boolean => Object.getPrototypeOf(req) === IncomingMessage.prototype;
