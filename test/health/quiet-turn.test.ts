import { EventEmitter } from 'node:events';
import { inQuietTurn } from '../../src/health/quiet-turn.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Keeps a server from being quiet until `isOver`. */
async function connectUntil(server: EventEmitter, isOver: () => boolean): Promise<number> {
  let turns = 0;
  for (; !isOver(); turns++) {
    server.emit('connection');
    await turn();
  }
  return turns;
}

test('closes once in a turn without a connection', async () => {
  const server = new EventEmitter();
  let closed = 0;
  inQuietTurn(server, () => closed++);
  let turns = 0;
  await connectUntil(server, () => ++turns > 50);
  expect(closed).toBe(0);
  while (closed === 0) await turn();
  await turn();
  expect(closed).toBe(1);
  expect(server.listenerCount('connection')).toBe(0);
});

test('closes a server that is never quiet, after a bounded number of turns', async () => {
  const server = new EventEmitter();
  let closed = 0;
  inQuietTurn(server, () => closed++);
  expect(await connectUntil(server, () => closed > 0)).toBeLessThanOrEqual(501);
  expect(server.listenerCount('connection')).toBe(0);
});

test('after a cancellation it never closes', async () => {
  const server = new EventEmitter();
  const close = jest.fn();
  inQuietTurn(server, close)();
  for (let i = 0; i < 600; i++) await turn();
  expect(close).not.toHaveBeenCalled();
  expect(server.listenerCount('connection')).toBe(0);
});
