/**
 * Counts the work that each middleware adds to a request. These counts are exact, unlike times, so a change that makes
 * the hot path more expensive is visible here first. A number may go down; a number that goes up needs a reason.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Dispatcher } from 'undici';
import {
  cacheResponse,
  compose,
  healthEndpoints,
  IntelligentRouter,
  problem,
  proxyBalanced,
  rateLimit,
  sendProblem,
  trace,
  type Middleware,
} from '../../src/index.js';
import { Connection, costOf, REQUEST, type RequestCost } from '../support/request-cost.js';

type Closing = Middleware & { close(): unknown };

const LIMIT = 1e9;
/** Of its connections. */
const RESOURCES_OF_UNDICI = 3;
const NOTHING: RequestCost = { promises: 0, timers: 0, ticks: 0, resources: 0, listeners: 0 };

const answer: RequestListener = (_req, res) => {
  res.setHeader('Content-Type', 'text/plain');
  res.end('budget');
};
const cacheable: RequestListener = (_req, res) => {
  res.setHeader('Cache-Control', 'max-age=3600');
  res.end('budget');
};

const origin = createServer(answer);
beforeAll(() => new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => origin.close(resolve)));

const proxy = (): Closing => proxyBalanced({ targets: [`http://127.0.0.1:${(origin.address() as AddressInfo).port}`] });
const four = (): Closing[] => [
  trace({ serviceName: 'budget' }),
  healthEndpoints(),
  rateLimit({ rateLimit: LIMIT, refillRate: LIMIT }),
  cacheResponse(),
];

/** A client whose requests occupy what they reach. */
class Client {
  readonly #connection = new Connection();

  constructor(listener: RequestListener) {
    createServer(listener).emit('connection', this.#connection);
  }

  send(): void {
    this.#connection.push(REQUEST);
  }
}

async function costBeyond(
  parts: readonly Closing[],
  rest: readonly Closing[],
  last: RequestListener = answer,
): Promise<RequestCost> {
  try {
    return await costOf(compose(...parts, ...rest, last), compose(...rest, last));
  } finally {
    for (const part of [...parts, ...rest]) await part.close();
  }
}

test.each<[string, () => Closing, RequestListener]>([
  ['trace', () => trace({ serviceName: 'budget' }), answer],
  ['trace that samples everything', () => trace({ serviceName: 'budget', samplingRate: 1 }), answer],
  ['healthEndpoints', () => healthEndpoints(), answer],
  ['rateLimit', () => rateLimit({ rateLimit: LIMIT, refillRate: LIMIT }), answer],
  ['cacheResponse, a response that is not storable', () => cacheResponse(), answer],
  ['cacheResponse, a hit', () => cacheResponse(), cacheable],
])('%s adds no promise, timer, tick, async resource or listener', async (_name, part, last) => {
  expect(await costBeyond([part()], [], last)).toEqual(NOTHING);
});

test('the four in front of the proxy add nothing that the proxy does not have', async () => {
  expect(await costBeyond(four(), [proxy()])).toEqual(NOTHING);
});

test('the proxy adds one timer and one async resource of its own, and no promise', async () => {
  const { promises, timers, ticks, resources, listeners } = await costBeyond([proxy()], []);
  expect(promises).toBe(0);
  expect(resources).toBeLessThanOrEqual(RESOURCES_OF_UNDICI + 1);
  expect(listeners).toBeLessThanOrEqual(3);
  // Two of the timers and nearly all ticks are undici's and Node's for the second connection.
  expect(timers).toBeLessThanOrEqual(3);
  expect(ticks).toBeLessThanOrEqual(12);
});

describe('a refusal costs no more than a response that its handler has ready', () => {
  const ready: RequestListener = (req, res) =>
    sendProblem(req, res, problem('QUEUE_FULL', 'no room'), { 'Retry-After': '1' });
  const busy = (): Closing => {
    // The instance has one place, and the request in it is never answered.
    const full = proxyBalanced({
      targets: ['http://127.0.0.1:9'],
      dispatcher: { dispatch: () => true } as unknown as Dispatcher,
      maxConnections: 1,
      maxQueue: 0,
      timeout: 600_000,
    });
    new Client(compose(full)).send();
    return full;
  };
  const occupied = (): Closing => {
    const limit = rateLimit({ rateLimit: LIMIT, refillRate: LIMIT, concurrency: { limit: 1 } });
    new Client(compose(limit, () => undefined)).send();
    return limit;
  };

  test.each<[string, () => Closing]>([
    ['the queue of the only instance is full', busy],
    ['there is no instance', () => proxyBalanced({ router: new IntelligentRouter(), service: 'none' })],
    ['the quota is spent', () => rateLimit({ rateLimit: 1, refillRate: 1e-6 })],
  ])('%s', async (_reason, refusing) => {
    const part = refusing();
    try {
      expect(await costOf(compose(part), ready)).toEqual(NOTHING);
    } finally {
      await part.close();
    }
  });

  test('no slot is free: the promise is that of the charge', async () => {
    const part = occupied();
    try {
      expect(await costOf(compose(part), ready)).toEqual({ ...NOTHING, promises: 1 });
    } finally {
      await part.close();
    }
  });
});
