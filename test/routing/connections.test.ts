/** The connections to one instance, with clients and a clock that are moved by hand. */
import type { Client } from 'undici';
import { Connections } from '../../src/routing/forwarding/connections.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { FakeClient } from '../support/fake-client.js';
import { RecordedCall } from '../support/upstream-calls.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function createRig(maxConnections = 256) {
  const clock = new FakeClock();
  const clients: FakeClient[] = [];
  const disconnects: unknown[] = [];
  const connections = new Connections({
    createClient: () => {
      const client = new FakeClient();
      clients.push(client);
      return client as unknown as Client;
    },
    maxConnections,
    onDisconnect: ({ code }) => disconnects.push(code),
    clock,
  });
  const send = (path = '/'): RecordedCall => {
    const call = new RecordedCall(path);
    connections.send(call, { path, method: 'GET' });
    return call;
  };
  const sendMany = (count: number): RecordedCall[] => Array.from({ length: count }, (_, i) => send(String(i)));
  /** Time passes, and the loop turns often enough for everything that follows. */
  const pass = async (ms: number): Promise<void> => {
    clock.tick(ms);
    for (let i = 0; i < 3; i++) await turn();
  };
  return { clock, clients, connections, disconnects, send, sendMany, pass };
}

function finish(client: FakeClient): void {
  client.respond();
  client.drain();
}

test('the connection used last is taken first', () => {
  const { clients, send, sendMany } = createRig();
  sendMany(3);
  for (const client of clients) client.connect();
  for (const index of [1, 0, 2]) finish(clients[index]!);
  for (const path of ['a', 'b', 'c']) send(path);
  expect(clients.map(({ sent }) => sent[1])).toEqual(['b', 'c', 'a']);
  expect(clients).toHaveLength(3);
});

test('a connection is not free before its client has drained', () => {
  const { clients, send } = createRig();
  const first = send('a');
  clients[0]!.connect();
  clients[0]!.respond();
  expect(first.code).toBe('response');
  send('b');
  expect(clients.map(({ sent }) => sent)).toEqual([['a'], ['b']]);
});

describe('the ramp', () => {
  test('doubles the number of connections per step, whether or not any of them connects', async () => {
    const { clients, sendMany, pass } = createRig(200);
    sendMany(200);
    const counts = [clients.length];
    for (let i = 0; i < 5; i++) {
      await pass(10);
      counts.push(clients.length);
    }
    expect(counts).toEqual([16, 32, 64, 128, 200, 200]);
    expect(clients.map(({ sent }) => sent)).toEqual(Array.from({ length: 200 }, (_, i) => [String(i)]));
  });

  test('a step lasts until the loop has turned, because a long turn reads no response', async () => {
    const { clock, clients, sendMany } = createRig();
    sendMany(100);
    clock.tick(1000);
    expect(clients).toHaveLength(16);
    await turn();
    expect(clients).toHaveLength(16);
    for (let i = 0; i < 3; i++) await turn();
    expect(clients).toHaveLength(32);
  });

  test('a request that waits takes the first connection that is free', () => {
    const { clients, sendMany } = createRig();
    sendMany(18);
    clients[7]!.connect();
    clients[3]!.connect();
    finish(clients[7]!);
    finish(clients[3]!);
    expect(clients).toHaveLength(16);
    expect([clients[7]!.sent[1], clients[3]!.sent[1]]).toEqual(['16', '17']);
  });

  test('a request that comes later does not overtake those that wait', () => {
    const { clients, send, sendMany } = createRig();
    sendMany(17);
    send('late');
    clients[0]!.connect();
    finish(clients[0]!);
    expect(clients[0]!.sent).toEqual(['0', '16']);
  });

  test('a backlog that the open connections are serving adds two per step', async () => {
    const { clients, sendMany, pass } = createRig();
    sendMany(96);
    for (const client of clients) client.connect();
    for (const client of clients.slice(0, 16)) finish(client);
    await pass(10); // 16 of 80 were taken in this step, so that the other 64 will be in four more
    expect(clients).toHaveLength(18);
    await pass(10); // nothing moved in this step
    expect(clients).toHaveLength(36);
  });

  test('a lost connection is replaced at once', async () => {
    const { clients, sendMany, disconnects } = createRig();
    sendMany(100);
    for (let i = 0; i < 84; i++) {
      clients[i]!.connect();
      clients[i]!.respond();
      clients[i]!.lose('UND_ERR_INFO');
      await turn();
    }
    expect(clients).toHaveLength(100);
    expect(clients.filter(({ destroyed }) => !destroyed)).toHaveLength(16);
    expect(disconnects).toHaveLength(84);
  });

  test('runs no timer when no connection is opened', async () => {
    const { clock, clients, send, pass } = createRig();
    send();
    expect(clock.pendingTimers).toBe(1);
    await pass(10);
    clients[0]!.connect();
    finish(clients[0]!);
    send();
    expect(clock.pendingTimers).toBe(0);
  });

  test('runs no timer while the most allowed connections are open', async () => {
    const { clock, clients, sendMany, pass } = createRig(20);
    sendMany(40);
    await pass(10);
    await pass(10);
    expect([clients.length, clock.pendingTimers]).toEqual([20, 0]);
    clients[5]!.refuse();
    await turn();
    expect(clients).toHaveLength(21);
  });
});

describe('a connection that ends', () => {
  test('fails its own request alone, and is forgotten', async () => {
    const { clients, send } = createRig();
    const [a, b] = [send('a'), send('b')];
    for (const client of clients) client.connect();
    clients[0]!.lose();
    finish(clients[1]!);
    expect([a.code, b.code]).toEqual(['UND_ERR_SOCKET', 'response']);
    expect(clients.map(({ destroyed }) => destroyed)).toEqual([true, false]);
    send('c');
    expect(clients[1]!.sent).toEqual(['b', 'c']);
  });

  test('while it is idle, it leaves the stack from any place', () => {
    const { clients, send, sendMany } = createRig();
    sendMany(4);
    for (const client of clients) client.connect();
    for (const client of clients) finish(client);
    for (const index of [1, 3, 0]) clients[index]!.lose();
    send('a');
    send('b');
    expect(clients.map(({ sent }) => sent)).toEqual([['0'], ['1'], ['2', 'a'], ['3'], ['b']]);
  });

  test('that could not be opened fails its own request alone', () => {
    const { clients, send } = createRig();
    const [a, b] = [send('a'), send('b')];
    clients[0]!.refuse();
    clients[1]!.connect();
    finish(clients[1]!);
    expect([a.code, b.code]).toEqual(['ECONNREFUSED', 'response']);
    expect(clients[0]!.destroyed).toBe(true);
  });

  test('before its request was written, it stays for undici to connect again', () => {
    const { clients, send } = createRig();
    const call = send('a');
    clients[0]!.lose();
    expect(clients[0]!.destroyed).toBe(false);
    clients[0]!.connect();
    finish(clients[0]!);
    expect([call.starts, call.code]).toEqual([1, 'response']);
  });
});

test('an invalid request does not cost its connection', async () => {
  const { clients, send } = createRig();
  send('a');
  clients[0]!.connect();
  finish(clients[0]!);
  expect(send('invalid').code).toBe('UND_ERR_INVALID_ARG');
  await turn();
  send('b');
  expect(clients).toHaveLength(1);
  expect(clients[0]!.sent).toEqual(['a', 'invalid', 'b']);
});

test('a connection that becomes free twice takes one request', async () => {
  const { clients, send } = createRig();
  send('a');
  clients[0]!.connect();
  finish(clients[0]!);
  send('invalid');
  clients[0]!.drain();
  await turn();
  send('b');
  send('c');
  expect(clients.map(({ sent }) => sent)).toEqual([['a', 'invalid', 'b'], ['c']]);
});

test('after a failure, a connection whose socket is about to close takes no request', () => {
  const { clients, send } = createRig();
  const call = send('a');
  clients[0]!.connect();
  clients[0]!.abort();
  clients[0]!.drain();
  expect(call.code).toBe('UND_ERR_ABORTED');
  send('b');
  expect(clients.map(({ sent }) => sent)).toEqual([['a'], ['b']]);
});

describe('close', () => {
  test('waits for the requests, also for those that wait for a connection', async () => {
    const { clock, clients, connections, send, sendMany, pass } = createRig();
    const calls = sendMany(17);
    for (const client of clients) client.connect();
    finish(clients[0]!);
    finish(clients[1]!);
    let isClosed = false;
    const closed = connections.close().then(() => (isClosed = true));
    expect(send().code).toBe('UND_ERR_CLOSED');
    expect(clients[1]!.destroyed).toBe(true); // it was idle
    for (const client of clients.slice(2)) finish(client);
    await pass(0);
    expect(isClosed).toBe(false);
    finish(clients[0]!);
    await closed;
    expect(calls.map(({ code }) => code)).toEqual(calls.map(() => 'response'));
    expect(clients.every(({ destroyed }) => destroyed)).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  test('at once if nothing was sent, and as often as it is called', async () => {
    const { connections } = createRig();
    await Promise.all([connections.close(), connections.close()]);
    await connections.destroy();
  });

  test('does not wait for a request that left its place', async () => {
    const { clients, connections, sendMany } = createRig();
    const last = sendMany(17)[16]!;
    const closed = connections.close();
    expect(last.place!.leave()).toBe(true);
    for (const client of clients) client.refuse();
    await closed;
    expect(last.ends).toEqual([]);
  });
});

test('destroy fails every request, and leaves no timer', async () => {
  const { clock, clients, connections, sendMany } = createRig();
  const calls = sendMany(40);
  for (const client of clients.slice(8)) client.connect();
  const closed = connections.close();
  await connections.destroy();
  await closed;
  expect(calls.map(({ ends }) => ends.length)).toEqual(calls.map(() => 1));
  expect(calls.every(({ code }) => code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED')).toBe(true);
  expect(clients.every(({ destroyed }) => destroyed)).toBe(true);
  expect(clock.pendingTimers).toBe(0);
});
