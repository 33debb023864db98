/**
 * Requests of one HTTP/2 connection that fail one after the other, all while Node handles one frame. Resets at that time
 * corrupt the memory of Node 20 (nodejs/node#64113), so the server is a process of its own.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleProgram, nextMessage, startProgram } from '../support/bundled-child.js';
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  PING,
  readFrames,
  RST_STREAM,
  SETTINGS,
} from '../support/frame-server.js';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** The first one uploads and holds the only slot; the others wait for it. */
const STREAMS = Array.from({ length: 12 }, (_, i) => 2 * i + 1);
/** A freed stream is not reused each time, so that one connection does not always show the fault. */
const CONNECTIONS = 60;

let folder: string;
let server: ChildProcess;
let port: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'http2-resets-'));
  server = startProgram(bundleProgram(join(__dirname, 'http2-resets-program.ts'), folder));
  port = await nextMessage<number>(server);
});
afterAll(() => {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** `:method: POST`, `:scheme: http`, `:path` and `:authority`, in HPACK without its tables. */
function postFields(path: string): Buffer {
  return Buffer.concat([Buffer.from([0x83, 0x86, 0x04, path.length]), Buffer.from(path), Buffer.from([0x41, 1, 0x61])]);
}

/** The codes of the resets by stream, once every request was reset. */
function failTogether(path: string): Promise<Map<number, number>> {
  const codes = new Map<number, number>();
  const requests = STREAMS.map((id, i) => frame(HEADERS, END_HEADERS | (i > 0 ? END_STREAM : 0), id, postFields(path)));
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`the connection ended after ${codes.size} resets`)));
    readFrames(socket, ({ type, flags, stream, payload }) => {
      // The answer to the PING: all requests have arrived, so that the end of the upload fails them all.
      if (type === PING && flags === 1) socket.write(frame(DATA, END_STREAM, STREAMS[0]!));
      if (type === RST_STREAM) codes.set(stream, payload.readUInt32BE());
      if (codes.size < STREAMS.length) return;
      resolve(codes);
      socket.destroy();
    });
    socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), ...requests, frame(PING, 0, 0, Buffer.alloc(8))]));
  });
}

test.each([
  ['an error that the kit answers', '/error', 2],
  ['a destroyed response', '/destroy', 0],
  ['a reset by the handler', '/reset', 2],
])('%s resets each stream, and the process lives', async (_way, path, code) => {
  for (let i = 0; i < CONNECTIONS; i++) {
    const codes = await failTogether(path);
    expect([...codes]).toEqual(expect.arrayContaining(STREAMS.map((id) => [id, code])));
  }
  expect(server.exitCode ?? server.signalCode).toBeNull();
});
