/** The fields of a stored response, ready to be set on a response, because a hit should only copy them. */
import { ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http';
import { openFieldRecord, setValidField, type FieldRecord } from '../../shared/field-record.js';
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
  readonly isOfContent: boolean;
  /** As Node records a field; several lines are an array. It is replaced, never changed: responses may refer to it. */
  #entry: readonly [name: string, value: string | readonly string[]];

  constructor(name: string, value: string) {
    validateHeaderName(name);
    this.lower = name.toLowerCase();
    this.isOfContent = isContentField(this.lower);
    this.#entry = [name, checked(this.lower, value)];
  }

  get name(): string {
    return this.#entry[0];
  }

  get value(): string | readonly string[] {
    return this.#entry[1];
  }

  /** @param value a valid value */
  replace(value: string): void {
    this.#entry = [this.name, value];
  }

  addLine(value: string): void {
    this.#entry = [this.name, [this.value, checked(this.lower, value)].flat()];
  }

  /** Sets the field in Node's record of a response, or by `setHeader` without one. */
  setOn(res: ServerResponse, record: FieldRecord | undefined, isWrittenAtOnce: boolean): void {
    const [name, value] = this.#entry;
    if (typeof value !== 'string') setValidField(res, record, name, this.lower, value.slice());
    else if (isWrittenAtOnce && record !== undefined) record[this.lower] = this.#entry;
    else setValidField(res, record, name, this.lower, value);
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

/** Node's own, unless it was replaced before this module was loaded. */
const WRITE_HEAD: unknown = Reflect.get(ServerResponse.prototype, 'writeHead');

/**
 * Sets the fields on a response, in place of those of the same names. The caller then calls `writeHead`. If that is Node's
 * own, no other code can change a field before it is written, and Node refuses changes later. The responses then refer
 * to the same entries. Otherwise `appendHeader` would add its value to the entry of all of them.
 */
export function setReadyFields(res: ServerResponse, fields: readonly ReadyField[]): void {
  const record = openFieldRecord(res);
  const isWrittenAtOnce = res.writeHead === WRITE_HEAD;
  for (let i = 0; i < fields.length; i++) fields[i]!.setOn(res, record, isWrittenAtOnce);
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
      this.#age.replace(String(second));
    }
    if (member !== this.#member) {
      this.#member = member;
      this.#status.replace(checked('cache-status', appendCacheStatus(this.#statusBefore, member)));
    }
    return this.#fields;
  }
}
