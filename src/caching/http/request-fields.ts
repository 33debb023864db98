/** Changes the fields of a request on its way to the handler, when the cache asks the origin for something else. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/**
 * Sets or removes (undefined) request fields by lowercase name, in `req.headers` and in `req.rawHeaders`. The array of
 * `req.rawHeaders` stays the same object, because other code may hold it already.
 *
 * @returns a function that restores all fields
 */
export function changeRequest(req: IncomingMessage, changes: Readonly<Record<string, string | undefined>>): () => void {
  const { headers, rawHeaders } = req;
  const changed = { ...headers };
  const raw: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!Object.hasOwn(changes, rawHeaders[i]!.toLowerCase())) raw.push(rawHeaders[i]!, rawHeaders[i + 1]!);
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete changed[name];
    else {
      changed[name] = value;
      raw.push(name, value);
    }
  }
  const original = [...rawHeaders];
  setHeaders(req, changed);
  rawHeaders.splice(0, rawHeaders.length, ...raw);
  return () => {
    setHeaders(req, headers);
    rawHeaders.splice(0, rawHeaders.length, ...original);
  };
}

/** A request of HTTP/2 has its fields by a getter alone. */
function setHeaders(req: IncomingMessage, headers: IncomingHttpHeaders): void {
  if ((req as { stream?: unknown }).stream === undefined) req.headers = headers;
  else Object.defineProperty(req, 'headers', { configurable: true, enumerable: true, writable: true, value: headers });
}
