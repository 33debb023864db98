/**
 * Requests a server makes of itself, such as the validation of a stale response: no client waits for them, so they are
 * neither charged to one nor counted as its traffic.
 */
import type { IncomingMessage } from 'node:http';

/** On the global registry: the CommonJS and the ES module build of this package may meet in one process. */
const MARK = Symbol.for('@tooloo/resilience:background-request');

/**
 * On the array of raw header fields, which each request has of its own: on the request itself, whose shape Express
 * changes, every look for a property that is not there walks up all its prototypes.
 */
type Markable = readonly string[] & { [MARK]?: true };

/** Marks a request, its raw header fields set, as the server's own. No field can do that, so no client can. */
export function markBackgroundRequest(req: IncomingMessage): void {
  (req.rawHeaders as Markable)[MARK] = true;
}

/** Whether the server made this request itself. */
export function isBackgroundRequest(req: IncomingMessage): boolean {
  return (req.rawHeaders as Markable | undefined)?.[MARK] === true; // a stand-in of a test may have none
}
