/** The model of the pages: addresses, formats, the text of the stream, the timeline. */
import fc from '../../support/fast-check.js';
import { execFileSync } from 'node:child_process';
import { curlOf, shellWord } from '../../../servers/dashboard/model/curl.js';
import { bytes, count, duration, percent, rate } from '../../../servers/dashboard/model/format.js';
import { heatGrid } from '../../../servers/dashboard/model/heatmap.js';
import { FleetHistory } from '../../../servers/dashboard/model/history.js';
import {
  hitRateLine,
  latencyLine,
  latest,
  lineOf,
  slotTimes,
  statusLine,
} from '../../../servers/dashboard/model/timeline.js';
import { boundsOf, rangeParameters, timeRangeOf } from '../../../servers/dashboard/model/time-range.js';
import type { Grid } from '../../../servers/history/aggregate.js';
import { NO_COUNTS } from '../../../servers/history/step.js';
import type { ServicePoint } from '../../../servers/web/fleet-history.js';
import { hrefOf, keepParameters, parsePlace, VIEWS } from '../../../servers/dashboard/model/location.js';
import { readLogLine } from '../../../servers/dashboard/model/log-line.js';
import { SseParser } from '../../../servers/dashboard/model/sse-parser.js';
import type { Frame } from '../../../servers/web/fleet-sampler.js';
import type { JoinedSpan } from '../../../servers/web/trace-search.js';
import { heatRow, type TrafficFigures, type TrafficPoint } from '../../../servers/web/traffic-merge.js';

describe('addresses', () => {
  test('every place has an address that leads back to it, for any parts and parameters', () => {
    const part = fc.string({ minLength: 1 });
    const query = fc.dictionary(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }));
    fc.assert(
      fc.property(fc.constantFrom(...VIEWS), fc.array(part, { maxLength: 2 }), query, (view, parts, parameters) => {
        expect(parsePlace(hrefOf(view, parts, parameters))).toEqual({ view, parts, query: { ...parameters } });
      }),
      { numRuns: 200 },
    );
  });

  test('an unknown address leads to the fleet', () => {
    for (const hash of ['', '#', '#/', '#/nowhere', '#main', '#/%E0%A4%A'])
      expect(parsePlace(hash)).toMatchObject({ view: 'fleet' });
  });
});

describe('the stream as text', () => {
  const text =
    ': hello\n\nretry: 1500\n\nid: e-1\nevent: frame\ndata: {"a":\ndata: 1}\n\nid: e-2\r\nevent: frame\r\ndata:x\r\n\r\ndata: plain\n\n';

  test('gives the same events for any split into chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
        // The transport may split CR and LF, but the decoder of the stream never returns only one of them.
        const places = [0, ...cuts.filter((at) => text[at - 1] !== '\r').sort((a, b) => a - b), text.length];
        const parser = new SseParser();
        const events = places.slice(1).flatMap((end, i) => parser.push(text.slice(places[i], end)));
        expect(events).toEqual([
          { event: 'frame', data: '{"a":\n1}' },
          { event: 'frame', data: 'x' },
          { event: 'message', data: 'plain' },
        ]);
        expect([parser.lastEventId, parser.retry]).toEqual(['e-2', 1500]);
      }),
      { numRuns: 100 },
    );
  });

  test('an event that never ends throws a RangeError', () => {
    const parser = new SseParser();
    expect(() => {
      for (let i = 0; i < 10; i++) parser.push('x'.repeat(1024 * 1024));
    }).toThrow(RangeError);
  });
});

test('figures have three digits and the unit that suits', () => {
  expect([0, 0.4213, 12.04, 999, 1350, 200_000, 4_000_000].map(duration)).toEqual([
    '0 ms',
    '0.42 ms',
    '12.0 ms',
    '999 ms',
    '1.35 s',
    '3m 20s',
    '1h 6m',
  ]);
  expect([999, 12_400_000].map(bytes)).toEqual(['999 B', '12.4 MB']);
  expect([0, 0.0004, 0.1234, 1].map(percent)).toEqual(['0 %', '<0.1 %', '12.3 %', '100 %']);
  expect([rate(12.5), count(12_345)]).toEqual(['12.5/s', '12,345']);
  expect([duration(null), bytes(undefined), percent(null), rate(null), count(undefined)]).toEqual(Array(5).fill('–'));
});

describe('a trace as a command', () => {
  test('any text becomes a single word of the shell', () => {
    for (const text of [`it's`, `$(reboot) \`id\` "$HOME" \\ ;&|<>*?`, `''`, 'line\nbreak'])
      expect(execFileSync('sh', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' })).toBe(text);
  });

  test('asks for the route behind the gateway’s prefix, in a trace of its own', () => {
    const request = (route: string, method = 'POST') =>
      ({ kind: 'server', attributes: { 'http.route': route, 'http.request.method': method } }) as unknown as JoinedSpan;
    const spans = [request('/api/v1/training/*path'), request('/api/v1/training/sessions/:id')];
    const id = 'ab'.repeat(16);
    expect(curlOf(spans, 'http://localhost:3000', id)).toBe(
      `curl -i -X 'POST' -H 'traceparent: 00-${id}-${id.slice(0, 16)}-01' -H 'Content-Type: application/json' -d '{}' 'http://localhost:3000/api/v1/training/sessions/:id'`,
    );
    expect(curlOf([request(`/it's`, 'GET')], 'http://a', id)).toContain(`'http://a/it'\\''s'`);
  });
});

test('a log line is parsed if it is JSON, and otherwise shown unchanged', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const line = JSON.stringify({ level: 'warn', time: '2026-05-01T09:00:00.123Z', msg: 'failed', status: 503, traceId });
  expect(readLogLine(line)).toMatchObject({ level: 'warn', text: 'failed  status=503', traceId });
  const err = { type: 'TypeError', message: 'no', code: 7, stack: 'TypeError: no\n    at x.ts:1' };
  expect(readLogLine(JSON.stringify({ level: 'error', msg: 'failed', err }))).toMatchObject({
    text: 'failed  err=TypeError: no {"code":7}',
    stack: err.stack,
  });
  for (const plain of ['    at Object.<anonymous> (x.ts:1:2)', '42', 'null', '{"broken'])
    expect(readLogLine(plain)).toEqual({ time: '', level: 'info', text: plain, stack: undefined, traceId: undefined });
});

describe('the timeline', () => {
  const figures = (requests: number, errors = 0): TrafficFigures => ({
    ...{ count: requests, errors, p50: 1, p95: 2, p99: 3, slowest: 3 },
    statuses: { '2xx': requests - errors, '5xx': errors },
    heat: [[heatRow(2), requests]],
  });
  const levels = { cpu: 0.1, loop: 0.1, rss: 1, inFlight: 0, waiting: 2, slots: {} };
  const point = (at: number, requests: number, changes: Partial<ServicePoint> = {}): ServicePoint => ({
    ...{ at, instances: 1, traffic: figures(requests), levels, ...NO_COUNTS },
    ...changes,
  });
  const grid: Grid = { from: 1_000_000, to: 1_060_000, resolution: 10_000, span: 10_000 };

  test('a slot without a measurement is a gap, and a slot without requests is zero', () => {
    const points = [point(1_010_000, 20), point(1_020_000, 0), point(1_050_000, 5)];
    expect(slotTimes(grid)).toEqual([1000, 1010, 1020, 1030, 1040, 1050]);
    expect(lineOf(grid, points, ({ traffic }, seconds) => traffic.count / seconds)).toEqual([
      null,
      2,
      0,
      null,
      null,
      0.5,
    ]);
    expect(latencyLine(grid, points, 'p95')).toEqual([null, 2, null, null, null, 2]);
    expect(latest(latencyLine(grid, points, 'p95'))).toBe(2);
    expect(latest(lineOf(grid, [], () => 1))).toBeNull();
    expect(lineOf(grid, [point(990_000, 1), point(1_060_000, 1)], () => 1)).toEqual([
      null,
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  test('requests are counted by status, and the hit rate counts lookups only', () => {
    const mixed = point(1_000_000, 0, {
      traffic: { ...figures(100), statuses: { '2xx': 50, '3xx': 10, '429': 30, '5xx': 5, aborted: 5 } },
      hits: 3,
      lookups: 4,
    });
    expect(statusLine(grid, [mixed], ['2xx', '3xx'])[0]).toBe(6);
    expect(statusLine(grid, [mixed], ['429'])[0]).toBe(3);
    expect(statusLine(grid, [mixed], ['5xx', 'aborted'])[0]).toBe(1);
    expect(hitRateLine(grid, [mixed, point(1_010_000, 1)]).slice(0, 2)).toEqual([75, null]);
  });

  test('a cell of the heatmap is at its time, and columns without a measurement are gaps', () => {
    const heat = heatGrid(grid, [point(1_010_000, 1), point(1_040_000, 4)]);
    expect(heat.cells.map(({ column, count: n }) => [column, n])).toEqual([
      [1, 1],
      [4, 4],
    ]);
    expect(heat.gaps).toEqual([0, 2, 3, 5]);
    const { row, column, shade } = heat.cells[1]!;
    expect(shade).toBe(1);
    expect(heat.most).toBe(4);
    expect(heat.timeAt(column)).toBe(1_040_000);
    expect(heat.latencyAt(row)).toBeLessThanOrEqual(2);
    expect(heat.latencyAt(row - 1)).toBeGreaterThan(2);
    expect(heatGrid(grid, []).cells).toEqual([]);
  });

  test('the live state is bounded, and takes each point once, also if a reconnected stream repeats it', () => {
    const traffic = (slot: number): TrafficPoint => ({ slot, services: {}, calls: [] });
    const frame = (at: number, points: TrafficPoint[]): Frame => ({
      ...{ at, slotMs: 2000, isOrchestrated: true, missing: [], instances: [], scaling: null },
      points,
    });
    const history = new FleetHistory();
    history.add(frame(1, [traffic(1), traffic(2)]));
    history.add(frame(1, [traffic(1), traffic(2)]));
    history.add(frame(2, [traffic(2), traffic(3)]));
    expect(history.points.map(({ slot }) => slot)).toEqual([1, 2, 3]);
    for (let i = 3; i < 1000; i++) history.add(frame(i, [traffic(i + 1)]));
    expect(history.points).toHaveLength(30);
    expect(history.points.at(-1)).toMatchObject({ slot: 1000 });
  });
});

describe('the time range', () => {
  test('is the last quarter of an hour, a named range or a fixed range', () => {
    expect(timeRangeOf({})).toMatchObject({ name: '15m', isLive: true, length: 900_000 });
    expect(timeRangeOf({ range: '7d' })).toMatchObject({ name: '7d', isLive: true });
    expect(timeRangeOf({ range: 'toString' })).toMatchObject({ name: '15m' });
    expect(timeRangeOf({ since: '1000', until: '3000', compare: '1d' })).toMatchObject({
      ...{ isLive: false, length: 2000, compare: '1d' },
    });
    expect(timeRangeOf({ since: '3000', until: '1000' })).toMatchObject({ isLive: true });
    expect(boundsOf(timeRangeOf({}), 1_000_000)).toEqual({ from: 100_000, to: 1_000_000 });
    expect(boundsOf(timeRangeOf({ since: '1000', until: '3000' }), 9e9)).toEqual({ from: 1000, to: 3000 });
  });

  test('is carried by every address that does not set its own', () => {
    keepParameters(rangeParameters({ range: '1h', compare: '1d', other: 'x' }));
    try {
      expect(hrefOf('limits')).toBe('#/limits?range=1h&compare=1d');
      expect(hrefOf('traffic', [], { service: 'web', compare: undefined })).toBe('#/traffic?service=web&range=1h');
      expect(hrefOf('traffic', [], { range: '7d' })).toBe('#/traffic?range=7d&compare=1d');
    } finally {
      keepParameters({});
    }
  });
});
