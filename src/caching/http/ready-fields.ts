/** The fields of a stored response, ready to be set on a response, because a hit should only copy them. */
import { validateHeaderName, validateHeaderValue, type ServerResponse } from 'node:http';
import { openFieldRecord, setValidField } from '../../shared/field-record.js';
import { appendCacheStatus } from './cache-status.js';
import type { FlatFields } from './fields.js';
import { ageSeconds } from './freshness.js';

/** Fields that describe content, which a 304 does not have (RFC 9110 §15.4.5). */
const OF_CONTENT = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'content-range',
  'transfer-encoding',
  'trailer',
]);

/** Whether a field, named in lowercase, describes content and must not be in a 304. */
export function isContentField(name: string): boolean {
  return OF_CONTENT.has(name);
}

/** A field that Node accepts. */
export class ReadyField {
  readonly lower: string;
  readonly name: string;
  readonly isOfContent: boolean;
  /** Several lines are an array. */
  value: string | readonly string[];

  constructor(name: string, value: string) {
    validateHeaderName(name);
    this.lower = name.toLowerCase();
    this.name = name;
    this.isOfContent = isContentField(this.lower);
    this.value = checked(this.lower, value);
  }

  addLine(value: string): void {
    this.value = [this.value, checked(this.lower, value)].flat();
  }
}

function checked(name: string, value: string): string {
  validateHeaderValue(name, value);
  return value;
}

/**
 * Fields in the order in which their names appear, the lines of one name together.
 *
 * @throws TypeError for a field that Node would refuse
 */
export function readyFields(flat: FlatFields): ReadyField[] {
  const fields = new Map<string, ReadyField>();
  for (let i = 0; i < flat.length; i += 2) {
    const [name, value] = [flat[i]!, flat[i + 1]!];
    const earlier = fields.get(name.toLowerCase());
    if (earlier === undefined) fields.set(name.toLowerCase(), new ReadyField(name, value));
    else earlier.addLine(value);
  }
  return [...fields.values()];
}

/** Sets the fields on a response, in place of those of the same names. */
export function setReadyFields(res: ServerResponse, fields: readonly ReadyField[]): void {
  const record = openFieldRecord(res);
  for (let i = 0; i < fields.length; i++) {
    const { lower, name, value } = fields[i]!;
    // A copy of the lines, because `appendHeader` adds to them.
    setValidField(res, record, name, lower, typeof value === 'string' ? value : value.slice());
  }
}

/** The fields of one stored response. Only `Age` and `Cache-Status` change from one second to the next. */
export class StoredFields {
  /** The stored fields, then Age and Cache-Status. */
  readonly #fields: readonly ReadyField[];
  readonly #age = new ReadyField('Age', '0');
  readonly #status = new ReadyField('Cache-Status', '');
  /** Members of Cache-Status from caches nearer to the origin. */
  readonly #statusBefore: string | undefined;
  #second = 0;
  #member = '';

  /** @throws TypeError for a field that Node would refuse */
  constructor(flat: FlatFields) {
    const fields = readyFields(flat);
    const before = fields.find(({ lower }) => lower === 'cache-status');
    this.#statusBefore = before === undefined ? undefined : [before.value].flat().join(', ');
    this.#fields = [...fields.filter((field) => field !== before), this.#age, this.#status];
  }

  /** The fields at this age, with this cache's member of Cache-Status. Valid until the next call. */
  at(age: number, member: string): readonly ReadyField[] {
    const second = ageSeconds(age);
    if (second !== this.#second) {
      this.#second = second;
      this.#age.value = String(second);
    }
    if (member !== this.#member) {
      this.#member = member;
      this.#status.value = checked('cache-status', appendCacheStatus(this.#statusBefore, member));
    }
    return this.#fields;
  }
}
