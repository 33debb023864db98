import fc from '../../support/fast-check.js';
import { fieldsOf } from '../../../src/caching/http/fields.js';
import {
  answerRange,
  combineParts,
  missingRange,
  parseContentRange,
  parseRange,
} from '../../../src/caching/http/range.js';
import { stored } from './support.js';

describe('Range (RFC 9110 §14.2)', () => {
  test.each([
    ['bytes=0-1', [{ start: 0, end: 1 }]],
    ['bytes=1-', [{ start: 1, end: 9 }]],
    ['bytes=-1', [{ start: 9, end: 9 }]],
    ['bytes=-100', [{ start: 0, end: 9 }]],
    ['bytes=0-100', [{ start: 0, end: 9 }]],
    [
      'Bytes=0-0, 5-6',
      [
        { start: 0, end: 0 },
        { start: 5, end: 6 },
      ],
    ],
    ['bytes=10-', []],
    ['bytes=-0', []],
    ['bytes=10-,0-0', [{ start: 0, end: 0 }]],
    ['items=0-1', undefined],
    ['bytes=', undefined],
    ['bytes=5-4', undefined],
    ['bytes=a-b', undefined],
    ['bytes=-', undefined],
    ['bytes 0-1', undefined],
    [`bytes=${'0-0,'.repeat(20)}`, undefined],
    ['bytes=0-9,0-9,0-9,0-9', undefined],
  ])('%s', (value, expected) => {
    expect(parseRange(value, 10)).toEqual(expected);
  });

  test('every range lies within the representation', () => {
    const spec = fc.tuple(fc.option(fc.nat(30)), fc.option(fc.nat(30))).map(([a, b]) => `${a ?? ''}-${b ?? ''}`);
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 5 }), fc.nat(20), (specs, size) => {
        const ranges = parseRange(`bytes=${specs.join(',')}`, size) ?? [];
        return ranges.every(({ start, end }) => start >= 0 && start <= end && end < size);
      }),
    );
  });
});

describe('answers from what is stored', () => {
  test('one range', () => {
    const answer = answerRange(stored(), 'bytes=2-4')!;
    expect(answer.status).toBe(206);
    expect(Buffer.from(answer.body).toString()).toBe('234');
    expect(fieldsOf(answer.headers)).toMatchObject({
      'content-range': 'bytes 2-4/10',
      'content-length': '3',
      'content-type': 'text/plain',
    });
  });

  test('several ranges in the order asked for', () => {
    const answer = answerRange(stored(), 'bytes=8-9, 0-1')!;
    const type = fieldsOf(answer.headers)['content-type']!;
    const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(type)![1]!;
    const body = Buffer.from(answer.body).toString();
    expect(body).toBe(
      `\r\n--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89` +
        `\r\n--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--${boundary}--\r\n`,
    );
    expect(fieldsOf(answer.headers)['content-length']).toBe(String(body.length));
  });

  test('416 says how long it is', () => {
    const answer = answerRange(stored(), 'bytes=10-')!;
    expect([answer.status, fieldsOf(answer.headers)['content-range'], answer.body.length]).toEqual([
      416,
      'bytes */10',
      0,
    ]);
  });

  const part = stored({ status: 206, body: Buffer.from('45678'), part: { start: 4, size: 10 }, etag: '"a"' });

  test.each([
    ['bytes=5-6', '56'],
    ['bytes=4-', undefined],
    ['bytes=-1', undefined],
    ['bytes=0-5', undefined],
    ['bytes=8-8', '8'],
  ])('from a stored part, %s', (value, expected) => {
    const answer = answerRange(part, value);
    expect(answer && Buffer.from(answer.body).toString()).toBe(expected);
  });
});

describe('combining parts (RFC 9111 §3.4)', () => {
  const whole = '0123456789';
  const piece = (start: number, end: number, etag: string | undefined = '"a"') =>
    stored({
      status: 206,
      headers: ['Content-Range', `bytes ${start}-${end}/10`, 'Content-Length', String(end - start + 1)],
      body: Buffer.from(whole.slice(start, end + 1)),
      part: { start, size: 10 },
      etag,
    });

  test('any two parts without a gap make what lies under them, and all of it a 200', () => {
    const bounds = fc.tuple(fc.nat(9), fc.nat(9)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    fc.assert(
      fc.property(bounds, bounds, ([a, b], [c, d]) => {
        const combined = combineParts(piece(a, b), piece(c, d));
        const [from, to] = [Math.min(a, c), Math.max(b, d)];
        if (Math.max(a, c) > Math.min(b, d) + 1) return combined === undefined;
        const isWhole = from === 0 && to === 9;
        return (
          Buffer.from(combined!.body).toString() === whole.slice(from, to + 1) &&
          combined!.status === (isWhole ? 200 : 206) &&
          (isWhole ? combined!.part === undefined : combined!.part!.start === from)
        );
      }),
    );
  });

  test('only with one strong tag', () => {
    expect(combineParts(piece(0, 4), piece(5, 9, '"b"'))).toBeUndefined();
    expect(combineParts(piece(0, 4, 'W/"a"'), piece(5, 9, 'W/"a"'))).toBeUndefined();
    expect(combineParts(piece(0, 4, undefined), stored({ ...piece(5, 9), etag: undefined }))).toBeUndefined();
  });

  test('what is missing of a part', () => {
    expect(missingRange(piece(0, 4))).toEqual({ start: 5, end: 9 });
    expect(missingRange(piece(5, 9))).toEqual({ start: 0, end: 4 });
    expect(missingRange(piece(2, 7))).toBeUndefined();
    expect(missingRange(piece(0, 4, 'W/"a"'))).toBeUndefined();
    expect(missingRange(stored())).toBeUndefined();
  });
});

test.each([
  ['bytes 0-4/10', { start: 0, end: 4, size: 10 }],
  ['bytes 0-4/*', undefined],
  ['bytes 4-0/10', undefined],
  ['bytes 0-10/10', undefined],
  [undefined, undefined],
])('Content-Range: %s', (value, expected) => {
  expect(parseContentRange(value)).toEqual(expected);
});
