/**
 * Functions that the middleware put on a request or response are created in V8's young generation. In the old one, each
 * would keep its whole request until the next full collection: minor collections then took twice as long.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import request from 'supertest';
import { cacheResponse, compose, trace, type Middleware } from '../../src/index.js';
import { isInYoungGeneration } from '../support/v8-natives.js';

type Closing = Middleware & { close(): unknown };

/** The functions that are an object's own properties. */
function ownFunctions(target: IncomingMessage | ServerResponse): object[] {
  return Reflect.ownKeys(target)
    .map((key): unknown => Reflect.getOwnPropertyDescriptor(target, key)?.value)
    .filter((value) => typeof value === 'function');
}

test.each<[string, () => Closing]>([
  ['trace with Server-Timing', () => trace({ serverTiming: true, traceResponse: true })],
  ['cacheResponse', () => cacheResponse()],
])('%s', async (_name, make) => {
  const middleware = make();
  const seen: boolean[] = [];
  const last: RequestListener = (req, res) => {
    // Their own handlers, which are the same for every response, came to the old generation in an earlier request.
    const added = [...ownFunctions(req), ...ownFunctions(res)];
    seen.push(added.length > 0 && added.every(isInYoungGeneration));
    res.end('generation');
  };
  const listener = compose(middleware, last);
  for (let i = 0; i < 5; i++) await request(listener).get('/').expect(200);
  await middleware.close();
  expect(seen).toEqual(Array.from({ length: 5 }, () => true));
});
