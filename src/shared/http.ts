/** The shapes of HTTP that every middleware and engine shares: Node's own request and response, without Express. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Hands over to the next handler, or the error to the error handler. */
export type NextFunction = (error?: unknown) => void;

/** A handler as Express, Connect and `compose` call it. */
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: NextFunction) => void;

/**
 * The request target as the client sent it. Express strips the mount path from `req.url` and keeps the whole in
 * `originalUrl`; what identifies a resource must not depend on where a middleware was mounted.
 */
export function originalTarget(req: Pick<IncomingMessage, 'url'>): string {
  const original = (req as { originalUrl?: unknown }).originalUrl;
  return typeof original === 'string' ? original : (req.url ?? '/');
}

/** The path of the request target, without its query. Also for the absolute form (RFC 9112 §3.2.2). */
export function originalPath(req: Pick<IncomingMessage, 'url'>): string {
  const target = originalTarget(req);
  const path = target.startsWith('/') ? target : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
  const end = path.search(/[?#]/);
  return (end === -1 ? path : path.slice(0, end)) || '/';
}

/**
 * Anything that holds a timer, socket, file or subscription. A second call of `close` has no effect.
 *
 * @example
 * import { createMetrics, HealthMonitor, type Closeable } from '@tooloo/resilience';
 *
 * const resources: Closeable[] = [createMetrics(), new HealthMonitor()];
 * process.once('SIGTERM', () => void Promise.all(resources.map((resource) => resource.close())));
 */
export interface Closeable {
  close(): void | Promise<void>;
}
