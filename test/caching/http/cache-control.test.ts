import fc from '../../support/fast-check.js';
import {
  MAX_DELTA_SECONDS,
  parseCacheControl,
  parseDeltaSeconds,
  requestDirectives,
} from '../../../src/caching/http/cache-control.js';
import { parseTargeted, responseDirectives } from '../../../src/caching/http/targeted-cache-control.js';

describe('Cache-Control (RFC 9111 §5.2)', () => {
  test.each([
    ['max-age=60', { maxAge: 60 }],
    ['MaX-aGe=60', { maxAge: 60 }],
    ['max-age="60"', { maxAge: 60 }],
    ['max-age=0060', { maxAge: 60 }],
    ['max-age=60, max-age=30', { maxAge: 30 }],
    ['max-age=30, max-age=60', { maxAge: 30 }],
    ['min-fresh=30, min-fresh=60', { minFresh: 60 }],
    ['max-age=99999999999', { maxAge: MAX_DELTA_SECONDS }],
    ['max-stale', { maxStale: MAX_DELTA_SECONDS }],
    ['extension="max-age=3600", max-age=1', { maxAge: 1 }],
    ['max-age=1, extension="a, max-age=3600"', { maxAge: 1 }],
    ['No-Store=x', { noStore: true }],
    ['public,, private ', { isPublic: true, isPrivate: true }],
    ['no-cache="a, B"', { noCache: ['a', 'b'] }],
    ['no-cache=a', { noCache: ['a'] }],
    ['no-cache="a", no-cache', { noCache: true }],
    ['no-cache="a", no-cache="b"', { noCache: ['a', 'b'] }],
    ['no-cache=""', { noCache: true }],
    ['private="x-user', { isPrivate: ['x-user'] }],
    [
      'must-revalidate, proxy-revalidate, must-understand, immutable, no-transform, only-if-cached',
      {
        mustRevalidate: true,
        proxyRevalidate: true,
        mustUnderstand: true,
        immutable: true,
        noTransform: true,
        onlyIfCached: true,
      },
    ],
    [
      's-maxage=5, stale-while-revalidate=6, stale-if-error=7',
      { sMaxAge: 5, staleWhileRevalidate: 6, staleIfError: 7 },
    ],
    ['unknown=1', {}],
  ])('%s', (value, expected) => {
    expect(parseCacheControl(value)).toEqual(expected);
  });

  test.each([
    "max-age='60'",
    'max-age=60.0',
    'max-age=-1',
    'max-age=a60',
    'max-age=60a',
    'max-age',
    'max-age=',
    'max-age =60',
    'max-age= 60',
  ])('what cannot be read as seconds is stale: %s', (value) => {
    expect(parseCacheControl(value).maxAge).toBe(0);
  });

  test('delta-seconds are never negative and clamp at 2^31 (§1.2.2)', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.bigInt().map(String)), (text) => {
        const seconds = parseDeltaSeconds(text);
        if (seconds === undefined) return !/^\d+$/.test(text);
        return seconds >= 0 && seconds <= MAX_DELTA_SECONDS && Number.isInteger(seconds);
      }),
    );
  });

  test('parsing never throws, and a directive added never makes caching more permissive', () => {
    const directive = fc.oneof(
      fc.constantFrom('no-store', 'no-cache', 'private', 'must-revalidate', 'public', 'no-cache="a"'),
      fc.integer({ min: 0, max: 9999 }).map((seconds) => `max-age=${seconds}`),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(directive), (directives) => {
        const all = parseCacheControl(directives.join(', '));
        const fewer = parseCacheControl(
          directives
            .filter((one) => !one.includes('"'))
            .slice(0, -1)
            .join(', '),
        );
        if (directives.some((one) => one.includes('"'))) return true;
        return (all.maxAge ?? Infinity) <= (fewer.maxAge ?? Infinity) && (!fewer.noStore || all.noStore === true);
      }),
    );
  });

  test('Pragma: no-cache counts only without Cache-Control (§5.4)', () => {
    expect(requestDirectives({ pragma: 'No-Cache' })).toEqual({ noCache: true });
    expect(requestDirectives({ pragma: 'no-cache', 'cache-control': 'max-age=5' })).toEqual({ maxAge: 5 });
    expect(requestDirectives({ pragma: 'x' })).toEqual({});
  });
});

describe('targeted fields (RFC 9213)', () => {
  test.each([
    ['max-age=60', { maxAge: 60 }],
    ['max-age=99999999999', { maxAge: MAX_DELTA_SECONDS }],
    ['foobar, max-age=60', { maxAge: 60 }],
    ['no-store', { noStore: true }],
    ['no-store=?0, max-age=5', { maxAge: 5 }],
    ['private="a, b", max-age=5', { isPrivate: ['a', 'b'], maxAge: 5 }],
    ['max-age=60;x=1', { maxAge: 60 }],
  ])('%s', (value, expected) => {
    expect(parseTargeted(value)).toEqual(expected);
  });

  test.each([
    '',
    'max-age=10000, &&&&&',
    'max-age="10000"',
    'MaX-aGe=3600',
    'max-age =100',
    'max-age= 100',
    'max-age=1.5',
    'max-age=-1',
    'max-age=(1 2)',
    'no-store="x"',
  ])('void: %s', (value) => {
    expect(parseTargeted(value)).toBeUndefined();
  });

  test('the most specific valid field replaces Cache-Control and Expires', () => {
    const fields = {
      'cache-control': 'no-store',
      'cdn-cache-control': 'max-age=5',
      'tooloo-cache-control': 'max-age=9',
    };
    expect(responseDirectives(fields)).toEqual({ directives: { maxAge: 9 }, targeted: true });
    expect(responseDirectives({ ...fields, 'tooloo-cache-control': '&&' }).directives).toEqual({ maxAge: 5 });
    expect(responseDirectives({ 'cache-control': 'max-age=1', 'cdn-cache-control': '' })).toEqual({
      directives: { maxAge: 1 },
      targeted: false,
    });
  });
});
