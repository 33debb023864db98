/** Asking the origin something else than the client asked: changing the fields of a request on its way to the handler. */
import type { IncomingMessage } from 'node:http';

/**
 * Sets or removes (undefined) request fields by lowercase name, for whoever reads `req.headers` and whoever reads
 * `req.rawHeaders`, whose array stays the same one, for whoever has it already.
 *
 * @returns puts everything back as it was
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
  req.headers = changed;
  rawHeaders.splice(0, rawHeaders.length, ...raw);
  return () => {
    req.headers = headers;
    rawHeaders.splice(0, rawHeaders.length, ...original);
  };
}
