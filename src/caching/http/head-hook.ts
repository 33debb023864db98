/**
 * Reads the head of a response at the moment it is final, but not before Node accepts it. A head that Node rejects is
 * left to Node, which throws in the handler as it does without the hook.
 */
import {
  IncomingMessage,
  ServerResponse,
  STATUS_CODES,
  validateHeaderName,
  validateHeaderValue,
  type OutgoingHttpHeaders,
} from 'node:http';
import type { Socket } from 'node:net';
import { FieldList } from './field-list.js';
import type { FieldValue } from './fields.js';
import {
  fieldRecordOf,
  mergesFields,
  openFieldRecord,
  setValidField,
  type FieldRecord,
} from '../../shared/field-record.js';
import { isHttp2Response } from '../../shared/http2-message.js';

/** A valid head in the form that Node receives. Its fields are read while it is judged. */
export class DecidedHead {
  readonly status: number;
  /** The reason phrase, if the handler set one. */
  readonly reason: string | undefined;
  /** The argument of `writeHead`. */
  readonly headers: object | undefined;
  readonly #res: ServerResponse;
  /** Of the fields set, if none is given to `writeHead`: found once, because a rule reads a dozen of them. */
  readonly #record: Readonly<FieldRecord> | undefined;
  #fields: FieldList | undefined;

  constructor(res: ServerResponse, status: number, reason: string | undefined, headers: object | undefined) {
    this.status = status;
    this.reason = reason;
    this.headers = headers;
    this.#res = res;
    this.#record = headers === undefined ? fieldRecordOf(res) : undefined;
  }

  /** All fields, as Node merges those set with those given to `writeHead`. */
  get fields(): FieldList {
    return (this.#fields ??= mergeFields(this.#res, this.headers));
  }

  /** The value of one field, by its name in lowercase. */
  valueOf(lower: string): FieldValue {
    if (this.#record !== undefined) return this.#record[lower]?.[1];
    if (this.headers !== undefined) return this.fields.find(lower)?.value;
    return fieldOf(this.#res, lower);
  }
}

export interface HeadListener {
  /**
   * Judges a head. Has no effects, because Node may still reject the head. The next head is then judged.
   *
   * @returns the value of `Cache-Status` to send; undefined leaves the fields unchanged
   */
  judge(head: DecidedHead): string | undefined;
  /** Node has accepted the head, or `hold` is about to keep it. Called once. */
  accept?(): void;
  /** Whether the judged head is withheld from Node: `writeHead` then writes nothing. */
  isHeld?(): boolean;
}

/** `writeHead` with any of its arguments. */
type WriteHead = (...args: unknown[]) => ServerResponse;

const STATUS_FIELD = 'Cache-Status';

/**
 * Whether repeated names in an array for `writeHead` are kept (Node 22) or lost (Node 20) if other fields were set
 * before.
 */
const KEEPS_REPEATED_LINES = keepsRepeatedLines();

function keepsRepeatedLines(): boolean {
  const res = new ServerResponse(new IncomingMessage(undefined as unknown as Socket));
  res.setHeader('a', '1');
  res.writeHead(200, ['b', '1', 'b', '2']);
  return Array.isArray(res.getHeader('b'));
}

/** Whether `writeHead` sends every line of an array given to it. */
function keepsLinesOf(res: ServerResponse): boolean {
  return KEEPS_REPEATED_LINES || !mergesFields(res);
}

export class HeadHook {
  readonly #res: ServerResponse;
  readonly #listener: HeadListener;
  readonly #original: WriteHead;
  readonly #hook: WriteHead;
  #isDecided = false;
  #isProbing = false;
  #isOver = false;

  constructor(res: ServerResponse, listener: HeadListener) {
    const writer = res as unknown as { writeHead: WriteHead };
    this.#res = res;
    this.#listener = listener;
    this.#original = writer.writeHead;
    const hook: WriteHead = (...args) => this.#onWriteHead(args);
    this.#hook = hook;
    writer.writeHead = hook;
  }

  get isDecided(): boolean {
    return this.#isDecided;
  }

  /** Judges the head that Node would write by itself, so that it can be kept from the client. */
  probe(): void {
    if (this.#isDecided || this.#isOver || this.#res.headersSent) return;
    this.#isProbing = true;
    try {
      this.#res.writeHead(this.#res.statusCode);
    } finally {
      this.#isProbing = false;
    }
  }

  /** Removes the hook. Wrappers that were added later stay and pass through. */
  remove(): void {
    this.#isOver = true;
    const writer = this.#res as unknown as { writeHead?: WriteHead };
    if (writer.writeHead === this.#hook) this.restore();
  }

  /** Restores `writeHead` to its previous state, and so removes the wrappers that the handler added. */
  restore(): void {
    this.#isOver = true;
    // Assigned, not deleted: V8 treats an object with deleted properties as a dictionary, which is slow.
    (this.#res as unknown as { writeHead: WriteHead }).writeHead = this.#original;
  }

  #onWriteHead(args: unknown[]): ServerResponse {
    const res = this.#res;
    if (this.#isOver || (!this.#isDecided && res.headersSent)) return this.#original.apply(res, args);
    if (this.#isDecided) return this.#listener.isHeld?.() === true ? res : this.#original.apply(res, args);
    const head = readArguments(res, args);
    if (head === undefined) return this.#original.apply(res, args);
    const status = this.#listener.judge(head);
    this.#isDecided = true;
    if (this.#listener.isHeld?.() === true) {
      this.#listener.accept?.();
      return res;
    }
    return this.#isProbing ? this.#prepare(head.headers, status) : this.#write(args, head.headers, status);
  }

  /** A head that was only probed is written by Node's own call that follows. */
  #prepare(headers: object | undefined, status: string | undefined): ServerResponse {
    if (headers !== undefined) {
      setFields(this.#res, mergeFields(this.#res, headers));
    }
    if (status !== undefined) setStatus(this.#res, status);
    this.#listener.accept?.();
    return this.#res;
  }

  #write(args: unknown[], headers: object | undefined, status: string | undefined): ServerResponse {
    const res = this.#res;
    const before = fieldOf(res, 'cache-status');
    if (status !== undefined) {
      if (headers === undefined) setStatus(res, status);
      else args = args.map((arg) => (arg === headers ? withStatus(headers, status) : arg));
    }
    try {
      this.#original.apply(res, args);
    } catch (error) {
      this.#isDecided = false;
      if (!res.headersSent && headers === undefined) setField(res, STATUS_FIELD, before);
      throw error;
    }
    this.#listener.accept?.();
    return res;
  }
}

/** The arguments of `writeHead`; undefined for those Node rejects. */
function readArguments(res: ServerResponse, args: readonly unknown[]): DecidedHead | undefined {
  try {
    const [code, second, third] = args;
    const status = (code as number) | 0;
    const [lowest, highest] = isHttp2Response(res) ? [200, 599] : [100, 999];
    if (status < lowest || status > highest) return undefined;
    const hasReason = typeof second === 'string';
    const headers = (hasReason ? third : (third ?? second)) ?? undefined;
    const reason = isHttp2Response(res) ? undefined : (hasReason ? second : res.statusMessage) || undefined;
    if (reason !== undefined) validateHeaderValue('reason', reason);
    if (headers !== undefined && (typeof headers !== 'object' || !isValid(headers, res.getHeaderNames().length > 0)))
      return undefined;
    return new DecidedHead(res, status, reason === STATUS_CODES[status] ? undefined : reason, headers);
  } catch {
    return undefined;
  }
}

/** The pairs from the argument of `writeHead`: an object, names and values in turn, or pairs. */
function pairsOf(headers: object): [string, FieldValue][] {
  if (!Array.isArray(headers)) return Object.entries(headers as OutgoingHttpHeaders);
  if (Array.isArray(headers[0])) return headers as [string, string | string[]][];
  return Array.from({ length: headers.length / 2 }, (_, i) => [headers[2 * i] as string, headers[2 * i + 1] as string]);
}

function isValid(headers: object, hasFields: boolean): boolean {
  // If other fields were set before, Node rejects pairs.
  if (Array.isArray(headers) && (Array.isArray(headers[0]) ? hasFields : headers.length % 2 !== 0)) return false;
  for (const [name, value] of pairsOf(headers)) {
    if (name.startsWith(':')) continue; // a pseudo-header, which HTTP/2 judges
    validateHeaderName(name);
    for (const line of Array.isArray(value) ? (value as string[]) : [value as string]) validateHeaderValue(name, line);
  }
  return true;
}

/** The fields on the response with those given to `writeHead`, as Node merges them. */
function mergeFields(res: ServerResponse, headers: object | undefined): FieldList {
  const fields = fieldsSet(res);
  if (headers === undefined) return fields;
  const keepsLines = Array.isArray(headers) && keepsLinesOf(res);
  const given = new Set<string>();
  for (const [name, value] of pairsOf(headers)) {
    const lower = name.toLowerCase();
    const earlier = keepsLines && given.has(lower) ? fields.find(lower) : undefined;
    given.add(lower);
    if (earlier === undefined) fields.set(lower, name, value);
    else earlier.value = [linesOf(earlier.value), linesOf(value)].flat();
  }
  return fields;
}

/** The lines of a field. */
export function linesOf(value: FieldValue): string[] {
  if (value === undefined) return [];
  return typeof value === 'object' ? value.map(String) : [String(value)];
}

/** The value of a field set on a response, by its name in lowercase. */
export function fieldOf(res: ServerResponse, lower: string): FieldValue {
  const record = fieldRecordOf(res);
  return record === undefined ? res.getHeader(lower) : record[lower]?.[1];
}

/** @param status a valid value */
function setStatus(res: ServerResponse, status: string): void {
  setValidField(res, openFieldRecord(res), STATUS_FIELD, 'cache-status', status);
}

/** The fields set on a response. HTTP/2 responses know names in lowercase only. */
export function fieldsSet(res: ServerResponse): FieldList {
  const fields = new FieldList();
  const record = fieldRecordOf(res);
  if (record !== undefined) {
    // Node's own record has this form. Its public methods convert every name of it twice, for each response.
    for (const lower in record) {
      const [name, value] = record[lower]!;
      fields.add(lower, name, Array.isArray(value) ? value.slice() : value); // appendHeader adds to the same list
    }
    return fields;
  }
  const raw = (res as { getRawHeaderNames?: () => string[] }).getRawHeaderNames;
  const names = raw === undefined ? res.getHeaderNames() : raw.call(res);
  for (const name of names) fields.add(name.toLowerCase(), name, res.getHeader(name));
  return fields;
}

/** Sets the fields of a list on a response. */
export function setFields(res: ServerResponse, fields: FieldList): void {
  for (let field = fields.first; field !== undefined; field = field.next) setField(res, field.name, field.value);
}

/** Sets a field, or removes it if it has no value. */
export function setField(res: ServerResponse, name: string, value: FieldValue): void {
  if (value === undefined) res.removeHeader(name);
  else res.setHeader(name, value);
}

/** The same headers with one `Cache-Status`, in the same form. */
function withStatus(headers: object, status: string): object {
  const isOther = ([name]: [string, FieldValue]): boolean => name.toLowerCase() !== 'cache-status';
  const others = pairsOf(headers).filter(isOther);
  if (!Array.isArray(headers)) return Object.fromEntries([...others, [STATUS_FIELD, status]]);
  const isNested = Array.isArray(headers[0]);
  return isNested ? [...others, [STATUS_FIELD, status]] : [...others, [STATUS_FIELD, status]].flat();
}
