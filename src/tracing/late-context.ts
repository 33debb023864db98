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

const NODES = ServerResponse.prototype;

/** Whether code in front of the chain listens to the response or has replaced its methods, as loggers do. */
function isWatched(res: ServerResponse): boolean {
  // Each by its own name, because V8 reads a property faster than one whose name is in a variable.
  if (res.write !== NODES.write || res.end !== NODES.end || res.writeHead !== NODES.writeHead) return true;
  return res.listenerCount('finish') + res.listenerCount('close') > LISTENERS_OF_NODE;
}

/** Asked before this package listens to the response. */
export function mayEnterLate(res: ServerResponse): boolean {
  return activeSpan() === undefined && !isHttp2Response(res) && !hasForeignContext() && !isWatched(res);
}
