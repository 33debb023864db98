import fc from '../../support/fast-check.js';
import { deepestRoute } from '../../../servers/dashboard/model/deepest-route.js';
import { matchingRows, unfoldedRows } from '../../../servers/dashboard/model/visible-rows.js';
import { waterfall, type WaterfallRow } from '../../../servers/dashboard/model/waterfall.js';
import type { JoinedSpan } from '../../../servers/web/trace-search.js';

function span(spanId: string, parentSpanId: string | undefined, startTime: number, duration: number): JoinedSpan {
  return {
    traceId: 'a'.repeat(32),
    spanId,
    parentSpanId,
    traceState: undefined,
    service: 'web',
    instance: 'web-1',
    operation: spanId,
    kind: 'internal',
    startTime,
    duration,
    status: 'success',
    error: undefined,
    attributes: {},
    logs: [],
    links: [],
  };
}

const critical = (rows: readonly WaterfallRow[]) =>
  Object.fromEntries(rows.map((row) => [row.span.spanId, row.critical]));

test('rows are a tree in the order of their start times, placed within the trace', () => {
  const rows = waterfall([
    span('late', 'root', 60, 40),
    span('root', undefined, 0, 100),
    span('early', 'root', 10, 30),
    span('inner', 'early', 15, 5),
  ]);
  expect(rows.map((row) => [row.span.spanId, row.depth])).toEqual([
    ['root', 0],
    ['early', 1],
    ['inner', 2],
    ['late', 1],
  ]);
  expect(rows[3]).toMatchObject({ start: 0.6, width: 0.4, hasChildren: false });
  expect(rows[0]).toMatchObject({ self: 30, hasChildren: true });
});

test('the critical path goes through the child that ended last, and leaves out what ran beside it', () => {
  const rows = waterfall([
    span('root', undefined, 0, 100),
    span('quick', 'root', 10, 20),
    span('slow', 'root', 10, 80),
    span('query', 'slow', 20, 60),
  ]);
  expect(critical(rows)).toEqual({ root: 20, quick: 0, slow: 20, query: 60 });
});

test('sequential children are all on the critical path', () => {
  const rows = waterfall([span('root', undefined, 0, 100), span('a', 'root', 0, 40), span('b', 'root', 40, 60)]);
  expect(critical(rows)).toEqual({ root: 0, a: 40, b: 60 });
});

test('a span whose parent is missing is a root, and spans that name each other as parents are still shown', () => {
  const rows = waterfall([
    span('orphan', 'gone', 5, 10),
    span('x', 'y', 0, 10),
    span('y', 'x', 2, 3),
    span('z', 'z', 1, 1),
  ]);
  expect(rows).toHaveLength(4);
  expect(rows.find((row) => row.span.spanId === 'orphan')!.depth).toBe(0);
});

test('any span is shown once, within the trace, and the critical path is as long as the longest root', () => {
  const spans = fc
    .array(fc.record({ parent: fc.nat(12), start: fc.nat(100), duration: fc.nat(100) }), {
      minLength: 1,
      maxLength: 12,
    })
    .map((all) => all.map(({ parent, start, duration }, i) => span(`s${i}`, `s${parent}`, start, duration)));
  fc.assert(
    fc.property(spans, (all) => {
      const rows = waterfall(all);
      expect(new Set(rows.map((row) => row.span.spanId)).size).toBe(all.length);
      expect(rows).toHaveLength(all.length);
      for (const { start, width, self } of rows) {
        expect(start).toBeGreaterThanOrEqual(0);
        expect(start + width).toBeLessThanOrEqual(1.000001);
        expect(self).toBeGreaterThanOrEqual(0);
      }
      const longest = Math.max(...rows.filter(({ depth }) => depth === 0).map((row) => row.span.duration!));
      const path = rows.reduce((sum, row) => sum + row.critical, 0);
      expect(path).toBeCloseTo(longest, 6);
    }),
    { numRuns: 200 },
  );
});

describe('what is shown of a waterfall', () => {
  const ids = (rows: readonly WaterfallRow[]) => rows.map(({ span }) => span.spanId);
  const rows = waterfall([
    span('root', undefined, 0, 100),
    span('a', 'root', 0, 50),
    span('b', 'a', 10, 20),
    span('c', 'root', 60, 20),
  ]);

  test('folded spans hide all below them, and nothing else', () => {
    expect(ids(unfoldedRows(rows, new Set()))).toEqual(['root', 'a', 'b', 'c']);
    expect(ids(unfoldedRows(rows, new Set(['a'])))).toEqual(['root', 'a', 'c']);
    expect(ids(unfoldedRows(rows, new Set(['root', 'b'])))).toEqual(['root']);
  });

  test('a search shows its matches and the spans that lead to them', () => {
    expect(ids(matchingRows(rows, (row) => row.span.spanId === 'b'))).toEqual(['root', 'a', 'b']);
    expect(ids(matchingRows(rows, (row) => row.span.spanId === 'c'))).toEqual(['root', 'c']);
    expect(matchingRows(rows, () => false)).toEqual([]);
  });
});

test.each([
  [['GET /api/v1/training/*path', 'GET /api/v1/training/rounds'], 'GET /api/v1/training/rounds'],
  [['GET /api/v1/training/*path'], 'GET /api/v1/training/*path'],
  [['GET /api/v1/training/*path', 'GET /api/v1/reports/x'], 'GET /api/v1/training/*path'],
  [['GET /items/:id', 'GET /items/7'], 'GET /items/:id'],
])('of %j the deepest route is %s', (routes, expected) => {
  expect(deepestRoute(routes)).toBe(expected);
});

test('a forwarded request is labelled by the instance that answered, and by the port if none is known', () => {
  const attempt = { ...span('try', 'root', 1, 8), operation: 'proxy.attempt', attributes: { 'server.port': 3003 } };
  const answered = { ...span('served', 'try', 2, 6), kind: 'server' as const, instance: 'meta-1' };
  const labels = (spans: readonly JoinedSpan[]) => waterfall(spans).map(({ label }) => label);
  expect(labels([span('root', undefined, 0, 10), attempt, answered])).toContain('forward → meta-1');
  expect(labels([span('root', undefined, 0, 10), attempt])).toContain('forward → :3003');
});
