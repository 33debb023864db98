/**
 * Upgrades behind pipelined requests. Node hands over the connection as soon as it has read the upgrade, even while the
 * response to an earlier request has not been sent. The client would read bytes written at that time as that response.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { currentResponse } from '../../shared/request-turn.js';

/** Bytes of the new protocol that a client may send before it is agreed on. */
const MAX_EARLY = 65_536;

/**
 * Calls `proceed` once the responses to earlier requests on the connection are sent; never, if it ends before.
 *
 * @param head what the client has sent after the upgrade request
 */
export function afterEarlierResponses(socket: Duplex, head: Buffer, proceed: (head: Buffer) => void): void {
  if (currentResponse(socket) === undefined) return proceed(head);
  const early = [head];
  let size = head.length;
  const onData = (chunk: Buffer): void => {
    early.push(chunk);
    size += chunk.length;
    if (size > MAX_EARLY) socket.destroy();
  };
  const onEnd = (): void => void socket.destroy();
  socket.on('error', () => undefined); // 'close' follows
  socket.on('data', onData); // a client that leaves is noticed only by reading
  socket.once('end', onEnd);
  awaitResponse(socket, () => {
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.pause();
    proceed(Buffer.concat(early));
  });
}

function awaitResponse(socket: Duplex, proceed: () => void): void {
  const response = currentResponse(socket);
  if (response !== undefined) response.once('close', () => awaitResponse(socket, proceed));
  else if (socket.writable) {
    (socket as Partial<Socket>).setTimeout?.(0); // the keep-alive time of the server, set after the response
    proceed();
  } else socket.destroy();
}
