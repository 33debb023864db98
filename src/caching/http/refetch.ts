/**
 * Fetches again for a client, without conditions: its request runs through the server once more, and the client
 * receives the response.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { abortResponse } from '../../shared/abort-response.js';
import { isHttp2Response } from '../../shared/http2-message.js';
import { backgroundExchange, serverOf } from './background-exchange.js';
import { fieldsSet, HeadHook, setFields } from './head-hook.js';

/** The client's conditions were for a response that is not available. */
const UNCONDITIONAL = {
  'if-none-match': undefined,
  'if-modified-since': undefined,
  'if-range': undefined,
};

/**
 * Requests that are already fetched again. This happens only once, because two servers that disagree would repeat it
 * for ever.
 */
const again = new WeakSet<IncomingMessage>();

/** @returns false if the request cannot run again, or already runs for the second time */
export function refetch(req: IncomingMessage, res: ServerResponse): boolean {
  const server = again.has(req) ? undefined : serverOf(req);
  if (server === undefined || req.method !== 'GET') return false;
  const exchange = backgroundExchange(req, server, UNCONDITIONAL, () => {
    if (!res.writableEnded) abortResponse(res);
  });
  again.add(exchange.req);
  relay(exchange.res, res);
  res.once('close', () => exchange.res.destroy());
  exchange.start();
  return true;
}

/** Passes everything written to one response to another: head, body and end. */
function relay(from: ServerResponse, to: ServerResponse): void {
  const write = from.write.bind(from) as (chunk: unknown, ...rest: unknown[]) => boolean;
  const end = from.end.bind(from) as (...args: unknown[]) => ServerResponse;
  let isHeadSent = false;
  const sendHead = (): void => {
    if (isHeadSent || !from.headersSent || to.headersSent) return;
    isHeadSent = true;
    setFields(to, fieldsSet(from));
    if (!isHttp2Response(to)) to.statusMessage = from.statusMessage;
    to.writeHead(from.statusCode);
  };
  new HeadHook(from, {
    judge: ({ fields }) => {
      setFields(from, fields);
      return undefined;
    },
  });
  to.on('drain', () => from.emit('drain'));
  Object.assign(from, {
    write: (chunk: unknown, ...rest: unknown[]): boolean => {
      write(chunk, ...rest);
      sendHead();
      const [encoding] = rest;
      return typeof encoding === 'string' ? to.write(chunk, encoding as BufferEncoding) : to.write(chunk);
    },
    end: (...args: unknown[]): ServerResponse => {
      const [chunk, encoding] = args;
      end(...args);
      sendHead();
      if (typeof chunk === 'string')
        to.end(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
      else to.end(typeof chunk === 'function' ? undefined : chunk);
      return from;
    },
  });
}
