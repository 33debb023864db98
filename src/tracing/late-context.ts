/**
 * Whether the async context of a request may be entered late: where nothing can read it but handlers that follow, which
 * `compose` calls within it.
 */
import { ServerResponse } from 'node:http';
import { isHttp2Response } from '../shared/http2-message.js';
import { activeSpan } from './context.js';
import { hasForeignContext } from './foreign-span.js';

/** Node's own listener. */
const LISTENERS_OF_NODE = 1;

/** Methods that code in front of the chain replaces to see what is written. */
const WATCHED = ['write', 'end', 'writeHead'] as const;
const { prototype } = ServerResponse;

/** Whether code in front of the chain listens to the response or has replaced its methods, as loggers do. */
function isWatched(res: ServerResponse): boolean {
  const listeners = res.listenerCount('finish') + res.listenerCount('close');
  return listeners > LISTENERS_OF_NODE || WATCHED.some((name) => res[name] !== prototype[name]);
}

/** Asked before this package listens to the response. */
export function mayEnterLate(res: ServerResponse): boolean {
  return activeSpan() === undefined && !isHttp2Response(res) && !hasForeignContext() && !isWatched(res);
}
