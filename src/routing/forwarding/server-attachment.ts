/**
 * The listeners that several proxies share on one server. Node's server answers `Expect: 100-continue` before any
 * handler has seen the request, and emits an upgrade to every listener. One listener of each kind per server therefore
 * finds the handler of each request.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEarlierResponses } from './earlier-responses.js';

/** A handler that may take an upgrade. */
export interface UpgradeHandler {
  /** Whether the request is for this handler. */
  matches(req: IncomingMessage): boolean;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
}

interface Attachment {
  readonly handlers: UpgradeHandler[];
  detach(): void;
}

// Registered symbols, because the CommonJS and the ES module build may both be loaded.
const ATTACHMENT = Symbol.for('@tooloo/resilience:server-attachment');
const AWAITS_CONTINUE = Symbol.for('@tooloo/resilience:awaits-continue');

type AttachedServer = Server & { [ATTACHMENT]?: Attachment };
type AwaitingRequest = IncomingMessage & { [AWAITS_CONTINUE]?: boolean };

/** Whether the client still waits for a 100 before it sends its body. If so, the caller must send it from now on. */
export function takeOverContinue(req: IncomingMessage): boolean {
  const awaiting = req as AwaitingRequest;
  if (awaiting[AWAITS_CONTINUE] !== true) return false;
  awaiting[AWAITS_CONTINUE] = false;
  return true;
}

/**
 * Makes the server pass each upgrade to the handler it is for, and leave `Expect: 100-continue` open. A forwarded
 * request waits for the response of its upstream. Any other client receives a 100 when a handler begins to read.
 *
 * @param refuse responds to an upgrade that is for no handler, if the server has no other listener
 * @returns a function that removes the listeners
 */
export function attachTo(server: Server, handler: UpgradeHandler, refuse: (socket: Duplex) => void): () => void {
  const attached = server as AttachedServer;
  const attachment = (attached[ATTACHMENT] ??= attach(attached, refuse));
  attachment.handlers.push(handler);
  let isAttached = true;
  return () => {
    if (!isAttached) return;
    isAttached = false;
    attachment.handlers.splice(attachment.handlers.indexOf(handler), 1);
    if (attachment.handlers.length === 0) attachment.detach();
  };
}

function attach(server: AttachedServer, refuse: (socket: Duplex) => void): Attachment {
  const handlers: UpgradeHandler[] = [];
  const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const handler = handlers.find((one) => one.matches(req));
    if (handler !== undefined) handler.upgrade(req, socket, head);
    else if (server.listenerCount('upgrade') === 1) afterEarlierResponses(socket, head, () => refuse(socket));
  };
  const onCheckContinue = (req: IncomingMessage, res: ServerResponse): void => {
    if (server.listenerCount('checkContinue') > 1) return; // the application handles it itself
    deferContinue(req, res);
    server.emit('request', req, res);
  };
  server.on('upgrade', onUpgrade);
  server.on('checkContinue', onCheckContinue);
  return {
    handlers,
    detach() {
      server.off('upgrade', onUpgrade);
      server.off('checkContinue', onCheckContinue);
      delete server[ATTACHMENT];
    },
  };
}

/** Every way to read a request (flowing, paused, by iteration, by a pipe) calls `_read` first. */
function deferContinue(req: AwaitingRequest, res: ServerResponse): void {
  req[AWAITS_CONTINUE] = true;
  const read = req._read.bind(req);
  const readAfterContinue = (size: number): void => {
    if (takeOverContinue(req) && !res.headersSent && !res.writableEnded) res.writeContinue();
    read(size);
  };
  req._read = readAfterContinue;
}
