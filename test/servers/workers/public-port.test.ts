/** The public port with real connections, and workers that the test controls. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { PublicPort, type Receiver } from '../../../servers/workers/public-port.js';
import { until } from '../../support/eventually.js';

class Worker implements Receiver {
  readonly got: Socket[] = [];

  receive(socket: Socket): void {
    this.got.push(socket);
  }
}

let port: PublicPort;
let address: number;
let clients: Socket[];

beforeEach(async () => {
  clients = [];
  port = new PublicPort();
  address = await port.listen(0, '127.0.0.1');
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await port.close();
});

async function client(): Promise<Socket> {
  const socket = connect(address, '127.0.0.1');
  clients.push(socket);
  await once(socket, 'connect');
  return socket;
}

test('connections go to the workers in turn, one at a time', async () => {
  const [a, b] = [new Worker(), new Worker()];
  port.add(a);
  port.add(b);
  for (let i = 1; i <= 6; i++) {
    await client();
    await until(() => a.got.length + b.got.length === i);
    port.accepted(i % 2 === 1 ? a : b);
  }
  expect([a.got.length, b.got.length]).toEqual([3, 3]);
});

test('a worker that does not confirm its connection gets no other', async () => {
  const [hung, well] = [new Worker(), new Worker()];
  port.add(hung);
  port.add(well);
  await client();
  await until(() => hung.got.length === 1);
  for (let i = 1; i <= 5; i++) {
    await client();
    await until(() => well.got.length === i);
    port.accepted(well);
  }
  expect(hung.got).toHaveLength(1);
  port.remove(hung);
  await until(() => well.got.length === 6);
  expect(well.got.at(-1)).toBe(hung.got[0]);
  port.accepted(well);
});

test('connections wait for the first worker', async () => {
  await client();
  const worker = new Worker();
  port.add(worker);
  await until(() => worker.got.length === 1);
  port.accepted(worker);
});

test('closing hands over every accepted connection, and accepts no other', async () => {
  const worker = new Worker();
  port.add(worker);
  await Promise.all(Array.from({ length: 20 }, () => client()));
  let isClosed = false;
  const closing = port.close().then(() => (isClosed = true));
  for (let i = 1; i <= 20; i++) {
    await until(() => worker.got.length === i);
    expect(isClosed).toBe(false);
    port.accepted(worker);
  }
  await closing;
  await expect(client()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('a worker that stops confirms its last connection, and gets no other', async () => {
  const [leaving, staying] = [new Worker(), new Worker()];
  port.add(leaving);
  await client();
  await until(() => leaving.got.length === 1);
  port.retire(leaving);
  port.accepted(leaving);
  port.add(staying);
  await client();
  await until(() => staying.got.length === 1);
  expect(leaving.got).toHaveLength(1);
  port.accepted(staying);
});
