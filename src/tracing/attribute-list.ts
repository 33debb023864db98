/**
 * The attributes of a span, linked in the order in which they were first set. V8 keeps an object whose keys come one at a
 * time as a dictionary, at several times the cost of a short list, and most spans are discarded unread.
 */
import type { Attributes, AttributeValue } from '../shared/instrumentation.js';

class Attribute {
  readonly name: string;
  value: AttributeValue;
  readonly earlier: Attribute | undefined;

  constructor(name: string, value: AttributeValue, earlier: Attribute | undefined) {
    this.name = name;
    this.value = value;
    this.earlier = earlier;
  }
}

export class AttributeList {
  readonly #limit: number;
  #last: Attribute | undefined = undefined;
  #size = 0;

  /** @param limit the most names; further ones are ignored */
  constructor(limit: number) {
    this.#limit = limit;
  }

  set(name: string, value: AttributeValue): void {
    let known = this.#last;
    while (known !== undefined && known.name !== name) known = known.earlier;
    if (known !== undefined) known.value = value;
    else if (this.#size < this.#limit) {
      this.#last = new Attribute(name, value, this.#last);
      this.#size++;
    }
  }

  toObject(): Attributes {
    const attributes = Object.create(null) as Record<string, AttributeValue>; // takes any name
    for (const { name, value } of this.#inOrder()) attributes[name] = value;
    return attributes;
  }

  #inOrder(): Attribute[] {
    const all: Attribute[] = [];
    for (let one = this.#last; one !== undefined; one = one.earlier) all.push(one);
    return all.reverse();
  }
}
