/** An HTTP/2 server that writes the frames of a test, including those that Node's own server would not write. */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { cert, key } from './tls.js';

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
const WINDOW_UPDATE = 8;
export const PING = 6;
export const GOAWAY = 7;
export const END_STREAM = 1;
export const END_HEADERS = 4;
const PREFACE_LENGTH = 24;

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Numbers of 32 bits. */
export function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i);
  return bytes;
}

/** `:status: 200`, and a Content-Length where one is given, in HPACK. */
export function okFields(length?: string): Buffer {
  const status = Buffer.from([0x88]);
  return length === undefined
    ? status
    : Buffer.concat([status, Buffer.from([0x0f, 0x0d, length.length]), Buffer.from(length)]);
}

/** @param count requests before this one */
export type OnFrameRequest = (socket: TLSSocket, stream: number, count: number) => void;

/** A frame that came. */
export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/**
 * An instance that answers each request with frames of the test's.
 *
 * @param onFrame sees every frame, before `onRequest` does
 */
export function frameServer(
  onRequest: OnFrameRequest,
  onFrame: (frame: ReceivedFrame, socket: TLSSocket) => void = () => undefined,
  { answersPings = true }: { readonly answersPings?: boolean } = {},
): Server {
  let count = 0;
  return createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => undefined);
    socket.write(frame(SETTINGS, 0, 0));
    const onReceived = (received: ReceivedFrame): void => {
      const { type, flags, stream, payload } = received;
      if (type === SETTINGS && (flags & 1) === 0) socket.write(frame(SETTINGS, 1, 0));
      if (type === PING && answersPings && socket.writable) socket.write(frame(PING, 1, 0, payload));
      if (type === DATA && payload.length > 0) refill(socket, stream, payload.length);
      onFrame(received, socket);
      if (type === HEADERS) onRequest(socket, stream, count++);
    };
    readFrames(socket, onReceived, PREFACE_LENGTH);
  });
}

/** @param skipped bytes before the first frame: a server receives the client's preface there */
export function readFrames(socket: Socket, onFrame: (frame: ReceivedFrame) => void, skipped = 0): void {
  let buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    if (buffer.length < skipped + 9) return;
    buffer = buffer.subarray(skipped);
    skipped = 0;
    while (buffer.length >= 9 && buffer.length >= 9 + buffer.readUIntBE(0, 3)) {
      const [type, flags, stream] = [buffer[3]!, buffer[4]!, buffer.readUInt32BE(5)];
      const end = 9 + buffer.readUIntBE(0, 3);
      const payload = buffer.subarray(9, end);
      buffer = buffer.subarray(end);
      onFrame({ type, flags, stream, payload });
    }
  });
}

/** Returns the bytes that were read to the flow-control windows of the connection and of the stream. */
function refill(socket: TLSSocket, stream: number, bytes: number): void {
  if (socket.writable) socket.write(Buffer.concat([0, stream].map((id) => frame(WINDOW_UPDATE, 0, id, words(bytes)))));
}
