/**
 * Node's own record of the fields set on a response. Fields that are known to be valid may be entered directly.
 * `setHeader` validates each of them again, and its record is a dictionary for V8. A head of ten fields takes 2.3 µs with
 * it and 0.8 µs with this record (Node 20 and 24).
 */
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Value = number | string | readonly string[] | undefined;

/** Fields by lowercase name, with the name and the value as they were set. */
export type FieldRecord = Record<string, readonly [name: string, value: Value]>;

type RecordHolder = Record<symbol, FieldRecord | null | undefined>;

const newResponse = (): ServerResponse => new ServerResponse(new IncomingMessage(undefined as unknown as Socket));

/** The property of a response with its record; an empty record remains where all fields were removed. */
const RECORD = Object.getOwnPropertySymbols(newResponse()).find(({ description }) => description === 'kOutHeaders');

/** A record without the members of `Object`, as that of Node, with properties that V8 finds by their place. */
const QuickRecord = function QuickRecord(): void {} as unknown as new () => FieldRecord;
Object.defineProperty(QuickRecord, 'prototype', { value: Object.freeze(Object.create(null)) });

const SET_HEADER = (ServerResponse.prototype as unknown as { readonly setHeader: unknown }).setHeader;
const takesEntries = RECORD !== undefined && readsEntries(RECORD);

/** Whether this Node reads fields that were entered into its record, and keeps its own ones in the same form. */
function readsEntries(property: symbol): boolean {
  const res = newResponse();
  res.setHeader('Own', '1');
  const own = (res as unknown as RecordHolder)[property]?.['own'];
  const record = ((res as unknown as RecordHolder)[property] = new QuickRecord());
  record['entered'] = ['Entered', ['a', 'b']];
  const isRead = res.getHeaderNames().join() === 'entered' && String(res.getHeader('Entered')) === 'a,b';
  return isRead && Array.isArray(own) && own.length === 2 && own[0] === 'Own' && own[1] === '1';
}

/** The record of a response. Undefined if no field was ever set on it, and for HTTP/2. */
export function fieldRecordOf(res: ServerResponse): Readonly<FieldRecord> | undefined {
  if (RECORD === undefined) return undefined;
  return (res as unknown as RecordHolder)[RECORD] ?? undefined;
}

/** Whether a field was ever set on a response: Node then merges an array given to `writeHead` into the others. */
export function mergesFields(res: ServerResponse): boolean {
  return RECORD === undefined || fieldRecordOf(res) !== undefined;
}

/**
 * The record of a response, to enter valid fields. Undefined where they have to go through `setHeader`: for HTTP/2, if
 * somebody replaced `setHeader` on this response, and once the head is sent, which `setHeader` reports.
 */
export function openFieldRecord(res: ServerResponse): FieldRecord | undefined {
  if (!takesEntries || res.setHeader !== SET_HEADER || res.headersSent) return undefined;
  return ((res as unknown as RecordHolder)[RECORD] ??= new QuickRecord());
}

/** Sets a valid field: in the record that `openFieldRecord` returned for the response, or else by `setHeader`. */
export function setValidField(
  res: ServerResponse,
  record: FieldRecord | undefined,
  name: string,
  lower: string,
  value: string | string[],
): void {
  if (record === undefined) res.setHeader(name, value);
  else record[lower] = [name, value];
}
