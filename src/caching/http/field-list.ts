/**
 * The fields that were set on a response. A list of linked objects, for two reasons. A response has some ten fields, and
 * filling a Map with them cost more than all lookups. And V8 allocates array literals in the old generation once many of
 * them outlived a collection, as those of requests in progress do: 1.2 MB per young collection.
 */
import type { FieldValue } from './fields.js';

/** One field, with its name and value as they were set. */
export class SetField {
  /** The name in lowercase. */
  readonly lower: string;
  name: string;
  value: FieldValue;
  next: SetField | undefined = undefined;

  constructor(lower: string, name: string, value: FieldValue) {
    this.lower = lower;
    this.name = name;
    this.value = value;
  }
}

/** Fields in the order in which their names were first set. */
export class FieldList {
  #first: SetField | undefined = undefined;
  #last: SetField | undefined = undefined;

  /** The first field; each one refers to the next. */
  get first(): SetField | undefined {
    return this.#first;
  }

  find(lower: string): SetField | undefined {
    let field = this.#first;
    while (field !== undefined && field.lower !== lower) field = field.next;
    return field;
  }

  /** Adds a field whose name is not in the list. */
  add(lower: string, name: string, value: FieldValue): void {
    const field = new SetField(lower, name, value);
    if (this.#last === undefined) this.#first = field;
    else this.#last.next = field;
    this.#last = field;
  }

  /** Adds a field, or replaces the one with its name. */
  set(lower: string, name: string, value: FieldValue): void {
    const field = this.find(lower);
    if (field === undefined) return this.add(lower, name, value);
    field.name = name;
    field.value = value;
  }
}
