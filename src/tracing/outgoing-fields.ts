/**
 * Keeps one `traceparent` per request. Instrumentation of undici and of `fetch` appends its header fields to those of
 * the caller, and a service that reads two of them begins a new trace (Trace Context level 2 §3.2.1).
 */
import { subscribe } from 'node:diagnostics_channel';
import { hasForeignPropagator } from './foreign-span.js';

const FIELDS = new Set(['traceparent', 'tracestate', 'baggage']);

/** A request of undici: a flat list of names and values; in its version 5, the text of the head. */
interface UndiciRequest {
  headers?: unknown;
  addHeader?: (name: string, value: string) => unknown;
}

let isSubscribed = false;

/** From now on, a trace field that is appended to an outgoing request replaces the existing one. */
export function replaceOutgoingFields(): void {
  if (isSubscribed || !hasForeignPropagator()) return;
  isSubscribed = true;
  subscribe('undici:request:create', (message) => {
    const { request } = message as { readonly request: UndiciRequest };
    keepLast(request);
    // Instrumentation that is notified after this listener still appends its field.
    const { addHeader } = request;
    if (typeof addHeader !== 'function') return;
    const addFieldOnce: typeof addHeader = (name, value) => {
      if (FIELDS.has(name.toLowerCase())) remove(request, name.toLowerCase());
      return addHeader.call(request, name, value);
    };
    request.addHeader = addFieldOnce;
  });
}

/** Of fields that were written twice, the last one is kept. */
function keepLast(request: UndiciRequest): void {
  for (const field of FIELDS) {
    const at = positions(request.headers, field);
    for (const index of at.slice(0, -1).reverse()) (request.headers as unknown[]).splice(index, 2);
  }
}

function remove(request: UndiciRequest, field: string): void {
  for (const index of positions(request.headers, field).reverse()) (request.headers as unknown[]).splice(index, 2);
}

function positions(headers: unknown, field: string): number[] {
  const found: number[] = [];
  if (!Array.isArray(headers)) return found;
  for (let i = 0; i < headers.length; i += 2) if (String(headers[i]).toLowerCase() === field) found.push(i);
  return found;
}
