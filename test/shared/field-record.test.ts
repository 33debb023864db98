/** Fields entered into Node's record of a response are sent and read exactly like those of `setHeader`. */
import { once } from 'node:events';
import { IncomingMessage, METHODS, ServerResponse, validateHeaderName } from 'node:http';
import { connect, createServer } from 'node:http2';
import { Socket, type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { fieldRecordOf, mergesFields, openFieldRecord } from '../../src/shared/field-record.js';
import fc from '../support/fast-check.js';

function response(): { readonly res: ServerResponse; readonly sent: () => string } {
  const chunks: Buffer[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, callback) {
      chunks.push(chunk);
      callback();
    },
  });
  const req = new IncomingMessage(new Socket());
  Object.assign(req, { method: METHODS[0], httpVersionMajor: 1, httpVersionMinor: 1 });
  const res = new ServerResponse(req);
  res.sendDate = false;
  res.assignSocket(socket as Socket);
  return { res, sent: () => Buffer.concat(chunks).toString('latin1') };
}

type Field = readonly [name: string, value: string | string[]];

/** `appendHeader` adds to the lines that were set. */
const own = ([name, value]: Field): [string, string | string[]] => [name, Array.isArray(value) ? [...value] : value];

function enter(res: ServerResponse, field: Field): void {
  openFieldRecord(res)![field[0].toLowerCase()] = own(field);
}

function set(res: ServerResponse, field: Field): void {
  res.setHeader(...own(field));
}

const TOKEN_CHARACTERS = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const token = fc.string({ unit: fc.constantFrom(...TOKEN_CHARACTERS), minLength: 1, maxLength: 12 });
const known = fc.constantFrom('__proto__', 'constructor', 'toString', '0', '12', 'Set-Cookie', 'ETag', 'etag', 'Via');
const name = fc.oneof(token, known).filter((one) => !/^(?:transfer-encoding|content-length|connection)$/i.test(one));
const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map(String.fromCharCode), maxLength: 20 });
const line = text.map((one) => one.replace(/\x7f/g, ''));
const field = fc.tuple(name, fc.oneof(line, fc.array(line, { minLength: 1, maxLength: 3 })));

test('for any valid fields, in any mixture of both ways', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(field, fc.boolean()), { maxLength: 15 }), token, (fields, extra) => {
      const [mixed, plain] = [response(), response()];
      for (const [one, isEntered] of fields) {
        validateHeaderName(one[0]);
        (isEntered ? enter : set)(mixed.res, one);
        set(plain.res, one);
      }
      for (const { res } of [mixed, plain]) {
        res.appendHeader('Via', '1.1 own');
        res.removeHeader(extra);
        res.writeHead(200);
      }
      const read = ({ res }: { readonly res: ServerResponse }): unknown => [
        Object.entries(res.getHeaders()),
        res.getHeaderNames(),
        fields.map(([[one]]) => [res.hasHeader(one), res.getHeader(one)]),
        [res.hasHeader('hasOwnProperty'), res.getHeader('valueOf')],
      ];
      expect(read(mixed)).toEqual(read(plain));
      mixed.res.end('body');
      plain.res.end('body');
      expect(mixed.sent()).toBe(plain.sent());
      expect(plain.sent()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    }),
    { numRuns: 300 },
  );
});

test('a response has no record before its first field, and then says what was set', () => {
  const { res } = response();
  expect([fieldRecordOf(res), mergesFields(res)]).toEqual([undefined, false]);
  res.setHeader('Vary', 'Accept');
  expect(fieldRecordOf(res)).toMatchObject({ vary: ['Vary', 'Accept'] });
  expect(openFieldRecord(res)).toBe(fieldRecordOf(res));
  res.removeHeader('Vary');
  expect([Object.keys(fieldRecordOf(res)!), mergesFields(res)]).toEqual([[], true]);
});

test('a replaced setHeader hears of every field', () => {
  const { res } = response();
  const original = res.setHeader.bind(res);
  Object.assign(res, { setHeader: (...args: Parameters<typeof original>) => original(...args) });
  expect(openFieldRecord(res)).toBeUndefined();
});

test('once the head is sent there is no record to enter into', () => {
  const { res } = response();
  res.writeHead(204);
  expect(openFieldRecord(res)).toBeUndefined();
});

test('HTTP/2 has none', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.request({ ':path': '/' }).on('error', () => undefined);
  const [, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  expect([openFieldRecord(res), fieldRecordOf(res)]).toEqual([undefined, undefined]);
  session.destroy();
  await new Promise((resolve) => server.close(resolve));
});
