import fc from '../../support/fast-check.js';
import { parseCacheControl } from '../../../src/caching/http/cache-control.js';
import type { Fields } from '../../../src/caching/http/fields.js';
import {
  ageSeconds,
  currentAge,
  explicitLifetime,
  heuristicLifetime,
  initialAge,
  parseAge,
} from '../../../src/caching/http/freshness.js';
import { formatHttpDate, parseHttpDate } from '../../../src/caching/http/http-date.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number): string => formatHttpDate(NOW + seconds * 1000);

function context(fields: Fields, { status = 200, shared = true, targeted = false } = {}) {
  const directives = parseCacheControl(fields['cache-control']);
  return { status, fields, directives, targeted, shared, responseTime: NOW };
}

describe('dates (RFC 9110 §5.6.7)', () => {
  test.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT', '1994-11-06T08:49:37Z'],
    ['Sunday, 06-Nov-94 08:49:37 GMT', '1994-11-06T08:49:37Z'],
    ['Thursday, 18-Aug-50 02:01:18 GMT', '2050-08-18T02:01:18Z'],
    ['Sun Nov  6 08:49:37 1994', '1994-11-06T08:49:37Z'],
    ['Sat, 31 Dec 2016 23:59:60 GMT', '2016-12-31T23:59:59Z'],
    // RFC 9111 §4.2: a cache compares them in any letter case.
    ['THU, 18 AUG 2050 02:01:18 gmt', '2050-08-18T02:01:18Z'],
    ['sunday, 06-nov-94 08:49:37 GMT', '1994-11-06T08:49:37Z'],
  ])('%s', (text, expected) => {
    expect(parseHttpDate(text, NOW)).toBe(Date.parse(expected));
  });

  test.each([
    '0',
    '',
    '-1',
    'Thu, 18 Aug 2050 02:01:18 UTC',
    'Thu, 18 Aug 2050 02:01:18 +0100',
    'Thu, 18 Aug 50 02:01:18 GMT',
    'Thu 18 Aug 2050 02:01:18 GMT',
    'Thu, 18  Aug  2050 02:01:18 GMT',
    'Thu, 18-Aug-2050 02:01:18 GMT',
    'Thu, 18 Aug 2050 02.01.18 GMT',
    'Thu, 18 Aug 2050 2:01:18 GMT',
    'Thu, 31 Feb 2050 02:01:18 GMT',
    'Thu, 18 Aug 2050 25:01:18 GMT',
    '2050-08-18T02:01:18Z',
  ])('not a date: %s', (text) => {
    expect(parseHttpDate(text, NOW)).toBeUndefined();
  });

  test('every date that is written is read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4102444800 }), (seconds) => {
        return parseHttpDate(formatHttpDate(seconds * 1000), NOW) === seconds * 1000;
      }),
    );
  });
});

describe('freshness lifetime (RFC 9111 §4.2.1)', () => {
  test.each([
    [{ 'cache-control': 's-maxage=10, max-age=5' }, 10_000],
    [{ 'cache-control': 'max-age=5', expires: at(100) }, 5_000],
    [{ expires: at(100), date: at(0) }, 100_000],
    [{ expires: at(100), date: at(40) }, 60_000],
    [{ expires: at(100) }, 100_000],
    [{ expires: at(-100), date: at(0) }, 0],
    [{ expires: '0' }, 0],
    [{ expires: `${at(100)}, ${at(200)}` }, 0],
    [{}, undefined],
    [{ 'cache-control': 'public' }, undefined],
  ])('%j → %s', (fields, expected) => {
    expect(explicitLifetime(context(fields as Fields))).toBe(expected);
  });

  test('a private cache ignores s-maxage', () => {
    expect(explicitLifetime(context({ 'cache-control': 's-maxage=10, max-age=5' }, { shared: false }))).toBe(5_000);
  });

  test('a targeted field leaves no Expires (RFC 9213 §2.2)', () => {
    expect(explicitLifetime(context({ expires: at(100) }, { targeted: true }))).toBeUndefined();
  });

  test.each([
    [200, 'Last-Modified alone', {}, 1_000],
    [404, 'Last-Modified alone', {}, 1_000],
    [201, 'not heuristically cacheable', {}, undefined],
    [599, 'unknown status', {}, undefined],
    [599, 'public', { 'cache-control': 'public' }, 1_000],
  ])('heuristic for %i: %s', (status, _why, fields, expected) => {
    const all = { ...fields, date: at(0), 'last-modified': at(-10) } as Fields;
    expect(heuristicLifetime(context(all, { status }))).toBe(expected);
  });

  test('a heuristic never exceeds a day and needs Last-Modified', () => {
    expect(heuristicLifetime(context({ 'last-modified': at(-10 * 365 * 86_400) }))).toBe(86_400_000);
    expect(heuristicLifetime(context({}))).toBeUndefined();
    expect(heuristicLifetime(context({ 'last-modified': at(100) }))).toBe(0);
  });
});

describe('age (RFC 9111 §4.2.3, §5.1)', () => {
  test.each([
    ['7200', 7200],
    ['7200, 0', 7200],
    ['0, 7200', 0],
    ['abc', 0],
    ['-7200', 0],
    ['7200.0', 0],
    ['99999999999', 2 ** 31],
    [undefined, 0],
  ])('Age: %s', (value, seconds) => {
    expect(parseAge(value)).toBe(seconds * 1000);
  });

  test('counts from the start of the request, and believes an older Date', () => {
    expect(initialAge({ date: at(0), age: '10' }, NOW - 4_000, NOW)).toBe(14_000);
    expect(initialAge({ date: at(-60), age: '10' }, NOW, NOW)).toBe(60_000);
    expect(initialAge({ date: at(60) }, NOW, NOW)).toBe(0);
    expect(initialAge({ date: 'garbage' }, NOW, NOW)).toBe(0);
  });

  test('never shrinks, also when the clock is set back', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer(), (arrived, onArrival, now) => {
        return currentAge(arrived, onArrival, now) >= onArrival;
      }),
    );
    expect(ageSeconds(1_999)).toBe(1);
    expect(ageSeconds(1e15)).toBe(2 ** 31);
  });
});
