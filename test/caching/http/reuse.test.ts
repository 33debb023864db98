import fc from '../../support/fast-check.js';
import { parseCacheControl } from '../../../src/caching/http/cache-control.js';
import { ageOf, isCoveredError, judgeReuse, mayServeOnError } from '../../../src/caching/http/reuse.js';
import { reusePolicy } from '../../../src/caching/http/stored-response.js';
import { NOW, policy, stored } from './support.js';

const judge = (response: ReturnType<typeof stored>, request: string, seconds: number, purged = false) =>
  judgeReuse(response, parseCacheControl(request), NOW + seconds * 1000, purged);

describe('reuse (RFC 9111 §4.2, §5.2.1)', () => {
  test.each([
    ['', 59.9, 'fresh'],
    ['', 60, 'stale'],
    ['no-cache', 1, 'request'],
    ['max-age=10', 10, 'fresh'],
    ['max-age=10', 10.1, 'request'],
    ['max-age=0', 0, 'request'],
    ['min-fresh=30', 30, 'fresh'],
    ['min-fresh=30', 30.1, 'request'],
    ['max-stale=10', 70, 'max-stale'],
    ['max-stale=10', 70.1, 'stale'],
    ['max-stale', 1e6, 'max-stale'],
  ])('request %s at %d s: %s', (request, seconds, expected) => {
    expect(judge(stored(), request, seconds)).toBe(expected);
  });

  test('nothing stale under no-cache, must-revalidate or, shared, proxy-revalidate (§4.2.4)', () => {
    const of = (value: string, shared = true) =>
      stored({
        policy: reusePolicy(
          parseCacheControl(value),
          { shared, staleWhileRevalidate: 1e6, staleIfError: 1e6 },
          [],
          false,
        ),
      });
    expect(judge(of('no-cache'), 'max-stale', 1)).toBe('stale');
    expect(judge(of('must-revalidate'), 'max-stale', 61)).toBe('stale');
    expect(judge(of('proxy-revalidate'), 'max-stale', 61)).toBe('stale');
    expect(judge(of('proxy-revalidate', false), 'max-stale', 61)).toBe('max-stale');
    expect(mayServeOnError(of('must-revalidate'), {}, NOW + 61_000)).toBe(false);
    expect(mayServeOnError(of('no-cache'), {}, NOW + 61_000)).toBe(false);
  });

  test('s-maxage forbids max-stale, but not the windows stated beside it', () => {
    const of = (value: string) =>
      stored({
        policy: reusePolicy(
          parseCacheControl(value),
          { shared: true, staleWhileRevalidate: 0, staleIfError: 0 },
          [],
          false,
        ),
      });
    expect(judge(of('s-maxage=60'), 'max-stale', 61)).toBe('stale');
    expect(judge(of('s-maxage=60, stale-while-revalidate=5'), '', 61)).toBe('stale-while-revalidate');
  });

  test('stale-while-revalidate ends on time (RFC 5861 §3)', () => {
    const response = stored({ policy: policy({ staleWhileRevalidate: 10_000 }) });
    expect(judge(response, '', 69.9)).toBe('stale-while-revalidate');
    expect(judge(response, '', 70)).toBe('stale');
    expect(judge(response, 'max-age=1', 69)).toBe('request');
  });

  test('stale-if-error: the response’s window or the request’s (RFC 5861 §4)', () => {
    const response = stored({ policy: policy({ staleIfError: 10_000 }) });
    expect(mayServeOnError(response, {}, NOW + 69_900)).toBe(true);
    expect(mayServeOnError(response, {}, NOW + 70_000)).toBe(false);
    expect(mayServeOnError(stored(), { staleIfError: 30 }, NOW + 89_000)).toBe(true);
    expect(mayServeOnError(response, { noCache: true }, NOW + 61_000)).toBe(false);
    expect([500, 502, 503, 504].every(isCoveredError)).toBe(true);
    expect([200, 404, 501, 505, 429].some(isCoveredError)).toBe(false);
  });

  test('an immutable fresh response is not validated for a reload, only for no-cache (RFC 8246 §2)', () => {
    const response = stored({ policy: policy({ immutable: true }) });
    expect(judge(response, 'max-age=0', 5)).toBe('fresh');
    expect(judge(response, 'no-cache', 5)).toBe('request');
    expect(judge(response, 'max-age=0', 61)).toBe('request');
  });

  test('a softly purged response has just become stale', () => {
    expect(judge(stored(), '', 5, true)).toBe('stale');
    expect(judge(stored(), 'max-stale', 5, true)).toBe('stale');
    expect(judge(stored({ policy: policy({ staleWhileRevalidate: 1 }) }), '', 5, true)).toBe('stale-while-revalidate');
  });

  test('no request directive makes a response fresh beyond its lifetime', () => {
    const request = fc.record(
      { maxAge: fc.nat(200), minFresh: fc.nat(200), maxStale: fc.nat(200), noCache: fc.constant<true>(true) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(request, fc.nat(200_000), fc.nat(200_000), (directives, lifetime, age) => {
        const response = stored({ lifetime });
        const now = NOW + age;
        const verdict = judgeReuse(response, directives, now);
        if (verdict === 'fresh') return ageOf(response, now) < lifetime;
        return verdict !== 'max-stale' || age - lifetime <= directives.maxStale! * 1000;
      }),
    );
  });
});
