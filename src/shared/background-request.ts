/**
 * Requests a server makes of itself, such as the validation of a stale response: no client waits for them, so they are
 * neither charged to one nor counted as its traffic.
 */
import type { IncomingMessage } from 'node:http';

// On the global object: the CommonJS and the ES module build of this package may meet in one process.
const KEY = Symbol.for('@tooloo/resilience:background-requests');
const shared = globalThis as { [KEY]?: WeakSet<IncomingMessage> };
const marked = (shared[KEY] ??= new WeakSet());

/** Marks a request as the server's own. Nothing a client sends can do that. */
export function markBackgroundRequest(req: IncomingMessage): void {
  marked.add(req);
}

/**
 * Whether the server made this request itself.
 *
 * @example
 * import { isBackgroundRequest } from '@tooloo/resilience';
 *
 * app.get('/report', (req, res) => void res.json({ isRefresh: isBackgroundRequest(req) }));
 */
export function isBackgroundRequest(req: IncomingMessage): boolean {
  return marked.has(req);
}
