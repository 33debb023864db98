/** The head of a handler's response in the form the rules use. */
import type { FieldList } from './field-list.js';
import { joinValue, type Fields, type FieldValue, type FlatFields } from './fields.js';
import { linesOf, type DecidedHead } from './head-hook.js';
import type { RuleFields } from './rule-fields.js';

/** The facts of a head that decide what may be done with its response. */
export interface HeadFacts {
  readonly status: number;
  /** Of the fields that will be sent. For `Set-Cookie` only the handler's own. */
  readonly fields: RuleFields;
}

/** A response's head as the handler decided it. Facts that only storing needs are computed on first use. */
export class ResponseHead implements HeadFacts {
  readonly status: number;
  /** The reason phrase, if the handler set one. */
  readonly reason: string | undefined;
  /** All fields that will be sent. For `Set-Cookie` only the handler's own. */
  readonly fields: Fields;
  /** Template of the route that answers, if a tracer knows it. */
  readonly route: string | undefined;
  readonly #sent: FieldList;
  readonly #before: FieldList;
  #headers: FlatFields | undefined;

  /** @param before the fields that were set before the handler ran */
  constructor(decided: DecidedHead, before: FieldList, route: string | undefined) {
    const { status, reason, fields } = decided;
    this.status = status;
    this.reason = reason;
    this.route = route;
    this.#sent = fields;
    this.#before = before;
    const values: Record<string, string | undefined> = Object.create(null) as Record<string, undefined>;
    for (let field = fields.first; field !== undefined; field = field.next) {
      const { lower, value } = field;
      if (lower === 'set-cookie' && sameValue(value, before.find(lower)?.value)) continue;
      values[lower] = joinValue(value);
    }
    this.fields = values;
  }

  /** The handler's own fields, without those that middleware before it sets for every request. */
  get headers(): FlatFields {
    return (this.#headers ??= this.#ownHeaders());
  }

  /** Fields that middleware before it set and the handler removed, in lowercase. */
  get removed(): readonly string[] {
    const names: string[] = [];
    for (let field = this.#before.first; field !== undefined; field = field.next) {
      if (this.#sent.find(field.lower) === undefined) names.push(field.lower);
    }
    return names;
  }

  #ownHeaders(): string[] {
    const flat: string[] = [];
    for (let field = this.#sent.first; field !== undefined; field = field.next) {
      const { lower, name, value } = field;
      if (sameValue(value, this.#before.find(lower)?.value)) continue;
      for (const line of linesOf(value)) flat.push(name, line);
    }
    return flat;
  }
}

export function sameValue(a: FieldValue, b: FieldValue): boolean {
  if (a === b) return true;
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((line, i) => line === b[i]);
}
