import { parseList } from 'structured-headers';
import type { ServerResponse } from 'node:http';
import { limitWriter, type HeaderStyle } from '../../src/rate-limiting/header-fields.js';
import { charge, MemoryStore, resolveQuota, type Charge } from '../../src/rate-limiting/index.js';
import { FakeClock } from '../../src/testing.js';

function written(style: HeaderStyle, ...charges: Charge[]): Record<string, string> {
  const fields: Record<string, string> = {};
  const res = {
    getHeader: (name: string) => fields[name],
    setHeader: (name: string, value: string) => (fields[name] = value),
  } as unknown as ServerResponse;
  limitWriter(style)(res, charges);
  return fields;
}

function spent(
  tokens: number,
  limit: { rateLimit: number; refillRate: number },
  name = 'default',
  cost = tokens,
): Charge {
  const store = new MemoryStore({ clock: new FakeClock() });
  const quota = resolveQuota(name, limit);
  store.write('a', quota, limit.rateLimit - tokens + cost);
  const one = charge('a', quota, cost);
  store.take([one]);
  return one;
}

const TEN_SECONDS = { rateLimit: 100, refillRate: 10 };

describe('draft-ietf-httpapi-ratelimit-headers-11', () => {
  test('the policy is quota and window, the state what remains and when it is whole again', () => {
    expect(written('draft', spent(50, TEN_SECONDS))).toEqual({
      'RateLimit-Policy': '"default";q=100;w=10',
      RateLimit: '"default";r=50;t=5',
    });
  });

  test.each([
    [spent(0, TEN_SECONDS), '"default";r=100;t=0'],
    [spent(1, TEN_SECONDS), '"default";r=99;t=1'],
    [spent(99.5, TEN_SECONDS), '"default";r=0;t=1'], // half a token is none: it is whole in 50 ms
    [spent(100, TEN_SECONDS), '"default";r=0;t=1'], // the next one, not all of them
    [spent(100, { rateLimit: 100, refillRate: 0.1 }), '"default";r=0;t=10'],
    [spent(1, { rateLimit: 2, refillRate: 0 }), '"default";r=1'], // nothing returns: there is no t
  ])('what remains is whole tokens, and the time whole seconds, never too early (%#)', (one, state) => {
    expect(written('draft', one).RateLimit).toBe(state);
  });

  test.each([
    [{ rateLimit: 5, refillRate: 50 }, '"default";q=5'], // a window below a second cannot be said
    [{ rateLimit: 10, refillRate: 3 }, '"default";q=10;w=4'],
    [{ rateLimit: 10, refillRate: 0 }, '"default";q=10'],
    [{ rateLimit: 2.5, refillRate: 1 }, '"default";q=2;w=3'],
  ])('the window of %j is %s', (limit, policy) => {
    expect(written('draft', spent(1, limit))['RateLimit-Policy']).toBe(policy);
  });

  test('several policies are one list, and what another limiter said is kept', () => {
    const fields = written('draft', spent(1, TEN_SECONDS, 'client'), spent(2, TEN_SECONDS, 'service'));
    expect(fields).toEqual({
      'RateLimit-Policy': '"client";q=100;w=10, "service";q=100;w=10',
      RateLimit: '"client";r=99;t=1, "service";r=98;t=1',
    });
    const setHeader = jest.fn();
    const res = { getHeader: () => '"other";q=1', setHeader } as unknown as ServerResponse;
    limitWriter('draft')(res, [spent(1, TEN_SECONDS)]);
    expect(setHeader).toHaveBeenCalledWith('RateLimit-Policy', '"other";q=1, "default";q=100;w=10');
  });

  test('both fields are structured field lists for any name and any numbers', () => {
    const one = spent(1, { rateLimit: 1e9, refillRate: 1e-6 }, 'a "quoted" \\ name');
    const fields = written('draft', one);
    const [[name, policy]] = parseList(fields['RateLimit-Policy']!) as [[string, Map<string, unknown>]];
    expect(name).toBe('a "quoted" \\ name');
    expect(policy.get('q')).toBe(1e9);
    expect(policy.get('w')).toBe(999_999_999_999_999); // the largest integer there is
    expect(parseList(fields.RateLimit!)).toHaveLength(1);
  });
});

describe('the older fields', () => {
  test('tell the limit that is nearest to its end, with the reset as Unix time', () => {
    const before = Math.floor(Date.now() / 1000);
    const fields = written('legacy', spent(10, TEN_SECONDS, 'a'), spent(90, TEN_SECONDS, 'b'));
    expect(fields).toMatchObject({ 'X-RateLimit-Limit': '100', 'X-RateLimit-Remaining': '10' });
    expect(Number(fields['X-RateLimit-Reset'])).toBeGreaterThanOrEqual(before + 9);
    expect(Object.keys(fields)).toHaveLength(3);
  });

  test('come with the new ones, or not at all', () => {
    expect(Object.keys(written('both', spent(1, TEN_SECONDS)))).toHaveLength(5);
    expect(written('none', spent(1, TEN_SECONDS))).toEqual({});
  });
});
