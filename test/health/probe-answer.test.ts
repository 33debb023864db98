import fc from '../support/fast-check.js';
import { judgeAnswer } from '../../src/health/probe-answer.js';
import { ReadinessProbe } from '../../src/health/readiness-probe.js';
import { everyHostileValue } from '../support/hostile-values.js';

test.each([
  [undefined, 'pass'],
  [null, 'pass'],
  [true, 'pass'],
  [false, 'fail'],
  ['PONG', 'pass'],
  ['error', 'fail'],
  [0, 'pass'],
  [{}, 'pass'],
  [{ rows: [] }, 'pass'],
  [{ status: 'pass' }, 'pass'],
  [{ status: 'UP' }, 'pass'],
  [{ status: ' ok ' }, 'pass'],
  [{ status: 200 }, 'pass'],
  [{ status: 503 }, 'fail'],
  [{ status: 'WARN' }, 'warn'],
  [{ status: 'fail' }, 'fail'],
  [{ status: 'error' }, 'fail'],
  [{ status: 'down' }, 'fail'],
  [{ status: 'FAIL' }, 'fail'],
  [{ status: 'unhealthy' }, 'fail'],
  [{ status: 'constructor' }, 'fail'],
  [{ status: null }, 'fail'],
  [{ status: {} }, 'fail'],
  [{ ok: false }, 'fail'],
  [{ ok: 0 }, 'fail'],
  [{ ok: 1 }, 'pass'],
  [{ status: 'ok', healthy: false }, 'fail'],
  [new Error('database is away'), 'fail'],
])('%p has the status %s', (answer, status) => {
  expect(judgeAnswer(answer).status).toBe(status);
});

test('a status passes only if it is one of the known words', () => {
  const words = ['pass', 'passed', 'passing', 'ok', 'up', 'healthy', 'ready', 'success', 'alive', 'pong'];
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.anything()), (status) => {
      const { status: judged } = judgeAnswer({ status });
      const word = typeof status === 'string' ? status.trim().toLowerCase() : undefined;
      const isGood = word !== undefined && words.includes(word);
      const is2xx = typeof status === 'number' && status >= 200 && status < 300;
      expect(judged === 'pass').toBe(isGood || is2xx || status === true || status === undefined);
    }),
  );
});

test('any value that a probe returns, throws or rejects with has a verdict', async () => {
  for (const value of everyHostileValue()) {
    const probes = new ReadinessProbe({ timeout: 1000 });
    probes.registerReadinessProbe('returns', () => value);
    probes.registerReadinessProbe('resolves', () => Promise.resolve([value]));
    probes.registerReadinessProbe('throws', () => {
      throw value;
    });
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- that is the point
    probes.registerReadinessProbe('rejects', () => Promise.reject(value));
    const { ready, checks } = await probes.check('readiness');
    expect(ready).toBe(false);
    expect(checks.filter(({ status }) => status === 'unknown')).toEqual([]);
    expect(
      checks.filter(({ name, status }) => (name === 'throws' || name === 'rejects') && status === 'fail'),
    ).toHaveLength(2);
    expect(JSON.stringify(checks).length).toBeLessThan(10_000);
    probes.close();
  }
});
