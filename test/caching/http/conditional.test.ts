import {
  confirms,
  ifRangeHolds,
  isNotModified,
  strongMatch,
  validationFields,
  weakMatch,
} from '../../../src/caching/http/conditional.js';
import { formatHttpDate } from '../../../src/caching/http/http-date.js';
import { headDescribes, updateFields } from '../../../src/caching/http/update.js';
import { NOW, stored } from './support.js';

const at = (seconds: number): string => formatHttpDate(NOW + seconds * 1000);
const since = (ifModifiedSince: string) => ({ ifNoneMatch: undefined, ifModifiedSince });
const match = (ifNoneMatch: string, ifModifiedSince?: string) => ({ ifNoneMatch, ifModifiedSince });

test('comparison of tags (RFC 9110 §8.8.3.2)', () => {
  expect(weakMatch('W/"1"', '"1"')).toBe(true);
  expect(weakMatch('"1"', '"2"')).toBe(false);
  expect(strongMatch('"1"', '"1"')).toBe(true);
  expect(strongMatch('W/"1"', 'W/"1"')).toBe(false);
});

describe('received conditions (RFC 9111 §4.3.2)', () => {
  const response = stored({ etag: '"a,b"', lastModified: at(-3000) });

  test.each([
    ['"a,b"', true],
    ['W/"a,b"', true],
    ['"x", "a,b", "y"', true],
    ['*', true],
    ['"x"', false],
    ['', false],
  ])('If-None-Match: %s', (value, expected) => {
    expect(isNotModified(response, match(value))).toBe(expected);
  });

  test('If-None-Match beats If-Modified-Since', () => {
    expect(isNotModified(response, match('"x"', at(0)))).toBe(false);
    expect(isNotModified(response, match('"a,b"', at(-9999)))).toBe(true);
  });

  test.each([
    [at(-3000), true],
    [at(-2000), true],
    [at(-3001), false],
    ['garbage', false],
  ])('If-Modified-Since: %s', (value, expected) => {
    expect(isNotModified(response, since(value))).toBe(expected);
  });

  test('without Last-Modified its Date stands in', () => {
    expect(isNotModified(stored(), since(at(0)))).toBe(true);
    expect(isNotModified(stored(), since(at(-1)))).toBe(false);
  });

  test('only a 200 is left out for being the same', () => {
    expect(isNotModified({ ...response, status: 404 }, match('"a,b"'))).toBe(false);
  });
});

test('the conditions a validation sends (§4.3.1)', () => {
  expect(validationFields(stored())).toBeUndefined();
  expect(validationFields(stored({ etag: 'W/"1"', lastModified: at(0) }))).toEqual({
    'if-none-match': 'W/"1"',
    'if-modified-since': at(0),
  });
});

test('a 304 for another representation does not confirm (§4.3.4)', () => {
  const response = stored({ etag: '"1"', lastModified: at(-5) });
  expect(confirms({ etag: '"1"' }, response)).toBe(true);
  expect(confirms({ etag: 'W/"1"' }, response)).toBe(true);
  expect(confirms({ etag: '"2"' }, response)).toBe(false);
  expect(confirms({}, response)).toBe(true);
  expect(confirms({ 'last-modified': at(-4) }, stored({ lastModified: at(-5) }))).toBe(false);
});

test('If-Range is strong (RFC 9110 §13.1.5)', () => {
  const response = stored({ etag: '"1"', lastModified: at(-60) });
  expect(ifRangeHolds(undefined, response)).toBe(true);
  expect(ifRangeHolds('"1"', response)).toBe(true);
  expect(ifRangeHolds('"2"', response)).toBe(false);
  expect(ifRangeHolds('W/"1"', stored({ etag: 'W/"1"' }))).toBe(false);
  expect(ifRangeHolds(at(-60), response)).toBe(true);
  expect(ifRangeHolds(at(-59), response)).toBe(false);
  expect(ifRangeHolds(at(0), stored({ lastModified: at(0) }))).toBe(false);
});

describe('updates (§3.2)', () => {
  test('every field is replaced but those of the body', () => {
    const before = [
      'A',
      '1',
      'B',
      '2',
      'Content-Length',
      '10',
      'Content-Encoding',
      'gzip',
      'Content-Type',
      'text/plain',
    ];
    const after = [
      'a',
      '9',
      'a',
      '8',
      'Content-Length',
      '0',
      'Content-Encoding',
      'br',
      'Content-Range',
      'x',
      'Content-Type',
      'text/html',
    ];
    expect(updateFields(before, after)).toEqual([
      ...['B', '2', 'Content-Length', '10', 'Content-Encoding', 'gzip'],
      ...['a', '9', 'a', '8', 'Content-Type', 'text/html'],
    ]);
  });

  test('HEAD describes the stored response only where nothing differs (§4.3.5)', () => {
    const response = stored({ etag: '"1"', lastModified: at(-5) });
    expect(headDescribes({}, response)).toBe(true);
    expect(headDescribes({ 'content-length': '10', etag: '"1"', 'last-modified': at(-5) }, response)).toBe(true);
    expect(headDescribes({ 'content-length': '11' }, response)).toBe(false);
    expect(headDescribes({ etag: '"2"' }, response)).toBe(false);
    expect(headDescribes({ 'last-modified': at(-4) }, response)).toBe(false);
    expect(headDescribes({ 'content-encoding': 'gzip' }, response)).toBe(false);
  });
});
