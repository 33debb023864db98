/** The fields of a stored response, set on responses that are answered from it one after the other. */
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { setReadyFields, StoredFields } from '../../../src/caching/http/ready-fields.js';

const STORED = ['ETag', '"1"', 'Link', '</a>', 'Link', '</b>', 'Cache-Status', 'origin; hit'];

function answered(fields: StoredFields, age: number, member: string): ServerResponse {
  const res = new ServerResponse(new IncomingMessage(new Socket()));
  setReadyFields(res, fields.at(age, member));
  res.writeHead(200);
  return res;
}

test('a response keeps its own age and status when the next one has others', () => {
  const fields = new StoredFields(STORED);
  const first = answered(fields, 0, 'a; hit; ttl=9');
  const second = answered(fields, 5_000, 'a; hit; ttl=4');
  expect(first.getHeaders()).toEqual({
    etag: '"1"',
    link: ['</a>', '</b>'],
    age: '0',
    'cache-status': 'origin; hit, a; hit; ttl=9',
  });
  expect(second.getHeaders()).toMatchObject({ age: '5', 'cache-status': 'origin; hit, a; hit; ttl=4' });
});

test('lines that are changed on one response are not changed on the next', () => {
  const fields = new StoredFields(STORED);
  (answered(fields, 0, 'a').getHeader('link') as string[]).push('</c>');
  expect(answered(fields, 0, 'a').getHeader('link')).toEqual(['</a>', '</b>']);
});

test('Node refuses to change the fields of a response whose head is written', () => {
  const res = answered(new StoredFields(STORED), 0, 'a');
  for (const change of [
    () => res.setHeader('ETag', '"2"'),
    () => res.appendHeader('ETag', '"2"'),
    () => res.removeHeader('ETag'),
  ])
    expect(change).toThrow(expect.objectContaining({ code: 'ERR_HTTP_HEADERS_SENT' }) as Error);
});
