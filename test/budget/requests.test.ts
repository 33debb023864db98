/**
 * Counts the work that each middleware adds to a request. These counts are exact, unlike times, so a change that makes
 * the hot path more expensive is visible here first. A number may go down; a number that goes up needs a reason.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  cacheResponse,
  compose,
  healthEndpoints,
  proxyBalanced,
  rateLimit,
  trace,
  type Middleware,
} from '../../src/index.js';
import { costOf, type RequestCost } from '../support/request-cost.js';

type Closing = Middleware & { close(): unknown };

const LIMIT = 1e9;
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

test('the four in front of the proxy add one async resource, which restores the context of the request', async () => {
  expect(await costBeyond(four(), [proxy()])).toEqual({ ...NOTHING, resources: 1 });
});

test('the proxy adds one timer of its own, and no promise', async () => {
  const { promises, timers, ticks, listeners } = await costBeyond([proxy()], []);
  expect(promises).toBe(0);
  expect(listeners).toBeLessThanOrEqual(3);
  // Two of the timers and nearly all ticks are undici's and Node's for the second connection.
  expect(timers).toBeLessThanOrEqual(3);
  expect(ticks).toBeLessThanOrEqual(12);
});
