import { AxiosError, AxiosHeaders, type AxiosResponse } from 'axios';
import { z } from 'zod';
import { ResilienceError } from '../../../src/index.js';
import { answerOf, peerError } from '../../../servers/support/peer-answer.js';

const schema = z.object({ count: z.number() });
const config = { headers: new AxiosHeaders() };
const response = (status: number, data: unknown): AxiosResponse<unknown> => ({
  status,
  data,
  statusText: '',
  headers: {},
  config,
});

test('a response that matches the schema is returned', async () => {
  expect(await answerOf('training', schema, Promise.resolve(response(200, { count: 2, ok: true })))).toEqual({
    count: 2,
  });
});

test('a response that does not match is UPSTREAM_INVALID and names the field', async () => {
  await expect(answerOf('training', schema, Promise.resolve(response(200, { count: 'x' })))).rejects.toMatchObject({
    code: 'UPSTREAM_INVALID',
    message: "training answered something unexpected at 'count'",
  });
});

test.each([
  [new AxiosError('x', 'ECONNREFUSED'), 'UPSTREAM_REFUSED', 'training is not reachable'],
  [new AxiosError('x', 'ETIMEDOUT'), 'UPSTREAM_TIMEOUT', 'training did not answer in time'],
  [
    new AxiosError('x', 'ERR', undefined, undefined, response(404, { code: 'NOT_FOUND', detail: 'no session 4' })),
    'NOT_FOUND',
    'training: no session 4',
  ],
  [
    new AxiosError('x', 'ERR', undefined, undefined, response(500, '<html>')),
    'UPSTREAM_INVALID',
    'training: answered with status 500',
  ],
  [
    new AxiosError('x', 'ERR', undefined, undefined, response(500, { code: 'toString' })),
    'UPSTREAM_INVALID',
    'training: answered with status 500',
  ],
  [
    new AxiosError('x', 'ERR', undefined, undefined, response(500, { code: 'INTERNAL' })),
    'UPSTREAM_INVALID',
    'training: answered with status 500',
  ],
  [new Error('what'), 'INTERNAL', 'asking training failed'],
])('%s becomes %s', (error, code, message) => {
  expect(peerError('training', error)).toMatchObject({ code, message, cause: error });
});

test('a ResilienceError stays unchanged', () => {
  const error = new ResilienceError('CIRCUIT_OPEN', 'open');
  expect(peerError('training', error)).toBe(error);
});
