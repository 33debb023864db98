import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { Server } from 'node:http';
import { FrameStream } from '../../../servers/web/frame-stream.js';

let stream: FrameStream;
let server: Server;
let counts: number[];

beforeEach(async () => {
  counts = [];
  stream = new FrameStream((count) => counts.push(count));
  const app = express();
  app.get('/', (req, res) => void stream.subscribe(res, req.get('last-event-id')));
  server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  stream.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Reader {
  /** The next frames, as many as asked for. */
  take(count: number): Promise<{ id: string; data: { n: number } }[]>;
  close(): Promise<void>;
}

async function read(lastEventId?: string): Promise<Reader> {
  const abort = new AbortController();
  const headers = new Headers(lastEventId === undefined ? [] : [['Last-Event-ID', lastEventId]]);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const answer = await fetch(url, { headers, signal: abort.signal });
  const chunks = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const frames: { id: string; data: { n: number } }[] = [];
  return {
    async take(count) {
      while (frames.length < count) {
        const { value = '' } = await chunks.read();
        const parts = (text + value).split('\n\n');
        text = parts.pop()!;
        for (const part of parts) {
          const [, id, data] = /^id: (.+)\nevent: frame\ndata: (.+)$/.exec(part) ?? [];
          if (id !== undefined) frames.push({ id, data: JSON.parse(data!) as { n: number } });
        }
      }
      return frames.splice(0, count);
    },
    async close() {
      const before = counts.length;
      abort.abort();
      while (counts.length === before) await new Promise(setImmediate);
    },
  };
}

const numbers = (frames: { data: { n: number } }[]): number[] => frames.map(({ data }) => data.n);

test('a new reader gets the held frames and then new ones; a returning reader gets the frames it missed', async () => {
  stream.publish({ n: 1 });
  const first = await read();
  stream.publish({ n: 2 });
  const seen = await first.take(2);
  expect(numbers(seen)).toEqual([1, 2]);
  await first.close();
  stream.publish({ n: 3 });
  stream.publish({ n: 4 });
  const again = await read(seen[1]!.id);
  stream.publish({ n: 5 });
  expect(numbers(await again.take(3))).toEqual([3, 4, 5]);
  await again.close();
  expect(counts).toEqual([1, 0, 1, 0]);
});

test('an id of an earlier process, or one no longer held, gets all held frames', async () => {
  for (let n = 1; n <= 3; n++) stream.publish({ n });
  for (const id of ['00000000-2', 'nonsense']) {
    const reader = await read(id);
    expect(numbers(await reader.take(3))).toEqual([1, 2, 3]);
    await reader.close();
  }
});

test('the number of held frames is bounded, and the oldest are dropped', async () => {
  const padding = 'x'.repeat(100 * 1024);
  for (let n = 1; n <= 9; n++) stream.publish({ n, padding });
  const reader = await read();
  expect(numbers(await reader.take(5))).toEqual([5, 6, 7, 8, 9]);
  await reader.close();
});
