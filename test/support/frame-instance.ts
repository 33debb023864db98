/** An HTTP/2 instance for attacks on a proxy: answers each request frame by frame as its script says. */
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  frameServer,
  GOAWAY,
  HEADERS,
  RST_STREAM,
  words,
  type ReceivedFrame,
} from './frame-server.js';

const ENDS = {
  end: 'END_STREAM',
  trailers: 'trailers',
  none: 'nothing: it is silent from now on',
  refused: 'REFUSED_STREAM',
  error: 'INTERNAL_ERROR',
  cancel: 'CANCEL',
  'reset 0': 'NO_ERROR',
  goaway: 'GOAWAY below the stream, and the end of the connection',
  close: 'the end of the connection',
  break: 'a reset of the connection',
} as const;

/** How an answer ends. */
export type FrameEnd = keyof typeof ENDS;
export const FRAME_ENDS = Object.keys(ENDS) as FrameEnd[];

const RESET_CODES: Partial<Record<FrameEnd, number>> = { refused: 7, error: 2, cancel: 8, 'reset 0': 0 };

export interface FrameAnswer {
  /** Whether it answers before it has the body. */
  readonly isEarly: boolean;
  /** Statuses of informational answers before it. */
  readonly interim: readonly string[];
  /** Undefined: no head is sent. */
  readonly status: string | undefined;
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string;
  readonly end: FrameEnd;
}

/** A request as the instance understood it. */
export interface FramedRequest {
  readonly mark: string | undefined;
  body: string;
  /** Whether the proxy said that the body ends here. */
  isComplete: boolean;
}

export interface FrameInstance {
  readonly url: string;
  readonly seen: readonly FramedRequest[];
  /** Connections open now. */
  readonly connections: number;
  close(): Promise<void>;
}

/**
 * A path that names its mark, in bytes that HPACK leaves as they are: every `~` would take 13 bits in its Huffman code,
 * and a path is never indexed.
 */
export function pathOfMark(mark: string): string {
  return `/${[...mark].map((character) => `~${character}`).join('')}`;
}

function markOf(block: Buffer): string | undefined {
  return /\/((?:~\w)+)/.exec(block.toString('latin1'))?.[1]?.replaceAll('~', '');
}

/** A field in HPACK, neither indexed nor compressed. */
function field(name: string, value: string): Buffer {
  const parts = [Buffer.from([0])];
  for (const text of [name, value]) parts.push(Buffer.from([text.length]), Buffer.from(text, 'latin1'));
  return Buffer.concat(parts);
}

function answerFrames(id: number, { interim, status, fields, body, end }: FrameAnswer): Buffer {
  const head = (code: string, more: FrameAnswer['fields']): Buffer =>
    frame(HEADERS, END_HEADERS, id, Buffer.concat([[':status', code] as const, ...more].map((one) => field(...one))));
  const frames = interim.map((code) => head(code, []));
  if (status !== undefined) {
    frames.push(head(status, fields));
    if (body !== '') frames.push(frame(DATA, 0, id, Buffer.from(body, 'latin1')));
    if (end === 'end') frames.push(frame(DATA, END_STREAM, id));
    if (end === 'trailers') frames.push(frame(HEADERS, END_HEADERS | END_STREAM, id, field('x-t', '1')));
  }
  const code = RESET_CODES[end];
  if (code !== undefined) frames.push(frame(RST_STREAM, 0, id, words(code)));
  if (end === 'goaway') frames.push(frame(GOAWAY, 0, 0, words(0, 0)));
  return Buffer.concat(frames);
}

/** @param answerFor the answer to the request with this mark; asked once for each request that comes */
export async function startFrameInstance(answerFor: (mark: string | undefined) => FrameAnswer): Promise<FrameInstance> {
  const seen: FramedRequest[] = [];
  const sockets = new Map<TLSSocket, Map<number, FramedRequest>>();

  const answer = (socket: TLSSocket, id: number, script: FrameAnswer): void => {
    if (!socket.writable) return;
    socket.write(answerFrames(id, script), () => {
      if (script.end === 'break') socket.destroy();
      else if (script.end === 'close' || script.end === 'goaway') socket.end();
    });
  };
  const onFrame = ({ type, flags, stream, payload }: ReceivedFrame, socket: TLSSocket): void => {
    const requests = sockets.get(socket)!;
    if (type === HEADERS && !requests.has(stream)) {
      const request = { mark: markOf(payload), body: '', isComplete: false };
      requests.set(stream, request);
      seen.push(request);
      const script = answerFor(request.mark);
      if (script.isEarly) answer(socket, stream, script);
    }
    const request = requests.get(stream);
    if (request === undefined) return;
    if (type === DATA) request.body += payload.toString('latin1');
    if ((type !== DATA && type !== HEADERS) || (flags & END_STREAM) === 0) return;
    request.isComplete = true;
    const script = answerFor(request.mark);
    if (!script.isEarly) answer(socket, stream, script);
  };
  const server = frameServer(() => undefined, onFrame);
  server.on('secureConnection', (socket) => {
    sockets.set(socket, new Map());
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const handshaking = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    handshaking.add(socket);
    socket.once('close', () => handshaking.delete(socket));
  });
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    get connections() {
      return sockets.size;
    },
    close: async () => {
      for (const socket of [...sockets.keys(), ...handshaking]) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
