/**
 * `Expect: 100-continue` answered by whom it concerns. Node's server tells every client to go on before any handler has
 * seen the request, unless someone listens for 'checkContinue'.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Requests whose client has not been told to go on. */
const awaiting = new WeakSet<IncomingMessage>();

/** Whether the client still waits to be told to send its body; if so, telling it is up to the caller from now on. */
export function takeOverContinue(req: IncomingMessage): boolean {
  return awaiting.delete(req);
}

/**
 * Makes the server leave the answer open: a request that is forwarded waits for its upstream's; any other is told to go
 * on when a handler begins to read its body.
 *
 * @returns what undoes it
 */
export function deferContinue(server: Server): () => void {
  const listener = (req: IncomingMessage, res: ServerResponse): void => {
    awaiting.add(req);
    req.once('resume', () => {
      if (awaiting.delete(req) && !res.headersSent) res.writeContinue();
    });
    server.emit('request', req, res);
  };
  server.on('checkContinue', listener);
  return () => server.off('checkContinue', listener);
}
