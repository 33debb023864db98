/** Measures the bytes of the heap that a request in progress keeps, and sends them to the test. The number is stable to about 5 %. */
import { createServer, type RequestListener } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Dispatcher } from 'undici';
import { cacheResponse, compose, healthEndpoints, proxyBalanced, rateLimit, trace } from '../../src/index.js';
import { Connection, REQUEST, turn } from '../support/request-cost.js';

/** Bytes per request in progress. */
export interface BytesInProgress {
  /** Of Node's server alone. */
  readonly bare: number;
  /** With the proxy alone. */
  readonly alone: number;
  /** With all five middleware. */
  readonly all: number;
}

const CONNECTIONS = 1000;
const MEASUREMENTS = 3;
const LIMIT = 1e9;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** An instance that answers at once, until `isSilent` is set. */
class Instance {
  isSilent = false;
  requests = 0;
  readonly dispatcher = { dispatch: (_options: unknown, handler: Dispatcher.DispatchHandler) => this.#take(handler) };

  listener: RequestListener = (_req, res) => {
    this.requests++;
    if (!this.isSilent) res.end('budget');
  };

  #take(handler: Dispatcher.DispatchHandler): boolean {
    this.requests++;
    handler.onRequestStart?.(CONTROLLER, undefined);
    if (!this.isSilent) queueMicrotask(() => answer(handler));
    return true;
  }
}

const CONTROLLER = {
  abort: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
} as unknown as Dispatcher.DispatchController;

function answer(handler: Dispatcher.DispatchHandler): void {
  handler.onResponseStart?.(CONTROLLER, 200, { 'content-type': 'text/plain' }, 'OK');
  handler.onResponseData?.(CONTROLLER, Buffer.from('budget'));
  handler.onResponseEnd?.(CONTROLLER, {});
}

async function sendAll(connections: readonly Connection[], instance: Instance): Promise<void> {
  const expected = instance.requests + connections.length;
  for (const connection of connections) connection.push(REQUEST);
  while (instance.requests < expected) await turn();
  for (let i = 0; i < 20; i++) await turn(); // answers are written, and what they held is released
}

/** The least of some measurements: what else the process does in the meantime adds to them. */
async function bytesInProgress(make: (instance: Instance) => RequestListener): Promise<number> {
  const measured: number[] = [];
  for (let i = 0; i < MEASUREMENTS; i++) measured.push(await measureInProgress(make));
  return Math.min(...measured);
}

async function measureInProgress(make: (instance: Instance) => RequestListener): Promise<number> {
  const instance = new Instance();
  const server = createServer(make(instance));
  const connections = Array.from({ length: CONNECTIONS }, () => new Connection());
  for (const connection of connections) server.emit('connection', connection);
  for (let i = 0; i < 3; i++) await sendAll(connections, instance);
  collect();
  const before = process.memoryUsage().heapUsed;
  instance.isSilent = true;
  await sendAll(connections, instance);
  collect();
  const bytes = (process.memoryUsage().heapUsed - before) / CONNECTIONS;
  for (const connection of connections) connection.destroy();
  server.close();
  return bytes;
}

const proxy = ({ dispatcher }: Instance): ReturnType<typeof proxyBalanced> =>
  proxyBalanced({
    targets: ['http://127.0.0.1:9'],
    dispatcher: dispatcher as unknown as Dispatcher,
    maxConnections: CONNECTIONS,
  });
const four = [
  trace({ serviceName: 'budget' }),
  healthEndpoints(),
  rateLimit({ rateLimit: LIMIT, refillRate: LIMIT }),
  cacheResponse(),
];

async function measure(): Promise<BytesInProgress> {
  const bare = await bytesInProgress(({ listener }) => listener);
  const alone = await bytesInProgress((instance) => compose(proxy(instance)));
  const all = await bytesInProgress((instance) => compose(...four, proxy(instance)));
  return { bare, alone, all };
}

void measure().then((bytes) => process.send!(bytes, () => process.exit()));
