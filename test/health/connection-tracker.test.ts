/** The tracker knows all connections of a server and their unfinished responses, and keeps nothing of finished ones. */
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import v8 from 'node:v8';
import vm from 'node:vm';
import { ConnectionTracker } from '../../src/health/connection-tracker.js';
import { until } from '../support/eventually.js';

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

let trackers: ConnectionTracker[];
let server: http.Server;
let client: Socket;
let handle: (req: IncomingMessage, res: ServerResponse) => void;

beforeEach(async () => {
  trackers = [new ConnectionTracker()];
  server = http.createServer((req, res) => {
    for (const tracker of trackers) tracker.noteRequest(req, res);
    handle(req, res);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  client = net.connect((server.address() as AddressInfo).port, '127.0.0.1').resume();
});

afterEach(async () => {
  client.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  for (const tracker of trackers) tracker.close();
});

const unfinished = (): ServerResponse[] => trackers[0]!.unfinishedResponsesOf(server);

test('an unfinished response is known for its connection, and an idle connection has none', async () => {
  let response: ServerResponse | undefined;
  handle = (_req, res) => (response = res);
  client.write(REQUEST);
  await until(() => response !== undefined);
  expect(unfinished()).toEqual([response]);
  response!.end();
  await once(response!, 'close');
  expect(unfinished()).toEqual([]);
  expect(trackers[0]!.socketsOf(server)).toHaveLength(1);
});

test('an idle connection keeps no reference to its last response', async () => {
  const refs: WeakRef<object>[] = [];
  handle = (req, res) => {
    refs.push(new WeakRef(req), new WeakRef(res));
    res.end('once');
  };
  client.write(REQUEST);
  await once(client, 'data');
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  await until(() => {
    collect();
    return refs.length === 2 && refs.every((ref) => ref.deref() === undefined);
  });
  expect(trackers[0]!.socketsOf(server)).toHaveLength(1);
});

test('several trackers add one listener per socket, and closing one tracker does not affect the others', async () => {
  const responses: ServerResponse[] = [];
  handle = (_req, res) => void responses.push(res);
  client.write(REQUEST);
  await until(() => responses.length === 1);
  const listeners = trackers[0]!.socketsOf(server)[0]!.listenerCount('close');
  for (let i = 0; i < 20; i++) trackers.push(new ConnectionTracker());
  client.write(REQUEST);
  responses[0]!.end();
  await until(() => responses.length === 2);
  expect(trackers[0]!.socketsOf(server)[0]!.listenerCount('close')).toBe(listeners);
  for (const tracker of trackers.splice(1)) tracker.close();
  expect(unfinished()).toEqual([responses[1]]);
  client.destroy();
  await until(() => trackers[0]!.socketsOf(server).length === 0);
  expect(unfinished()).toEqual([]);
});
