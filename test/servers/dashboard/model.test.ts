/** The pages' own reckoning: addresses, formats, the stream's text, the timeline. */
import fc from '../../support/fast-check.js';
import { execFileSync } from 'node:child_process';
import { curlOf, shellWord } from '../../../servers/dashboard/model/curl.js';
import { bytes, count, duration, percent, rate } from '../../../servers/dashboard/model/format.js';
import { heatGrid } from '../../../servers/dashboard/model/heatmap.js';
import { FleetHistory, growth, slotName } from '../../../servers/dashboard/model/history.js';
import { hrefOf, parsePlace, VIEWS } from '../../../servers/dashboard/model/location.js';
import { readLogLine } from '../../../servers/dashboard/model/log-line.js';
import {
  hitRateColumns,
  latencyColumns,
  rateColumns,
  slotColumns,
  waitingColumns,
} from '../../../servers/dashboard/model/series.js';
import { SseParser } from '../../../servers/dashboard/model/sse-parser.js';
import type { Frame, FrameInstance } from '../../../servers/web/fleet-sampler.js';
import type { JoinedSpan } from '../../../servers/web/trace-search.js';
import { heatRow, type TrafficPoint } from '../../../servers/web/traffic-merge.js';

describe('addresses', () => {
  test('every place has one, whatever is in its parts and parameters, and leads back to it', () => {
    const part = fc.string({ minLength: 1 });
    const query = fc.dictionary(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }));
    fc.assert(
      fc.property(fc.constantFrom(...VIEWS), fc.array(part, { maxLength: 2 }), query, (view, parts, parameters) => {
        expect(parsePlace(hrefOf(view, parts, parameters))).toEqual({ view, parts, query: { ...parameters } });
      }),
      { numRuns: 200 },
    );
  });

  test('what is no place is the fleet', () => {
    for (const hash of ['', '#', '#/', '#/nowhere', '#main', '#/%E0%A4%A'])
      expect(parsePlace(hash)).toMatchObject({ view: 'fleet' });
  });
});

describe('the stream as text', () => {
  const text =
    ': hello\n\nretry: 1500\n\nid: e-1\nevent: frame\ndata: {"a":\ndata: 1}\n\nid: e-2\r\nevent: frame\r\ndata:x\r\n\r\ndata: plain\n\n';

  test('gives the same events however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
        // Between CR and LF a cut is the transport's: what decodes the stream never gives one half of it away.
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

  test('what never ends is given up', () => {
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
  test('a word of the shell is that word, whatever is in it', () => {
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

test('a line of a log is read where it is JSON, and shown as it is where it is not', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const line = JSON.stringify({ level: 'warn', time: '2026-05-01T09:00:00.123Z', msg: 'failed', status: 503, traceId });
  expect(readLogLine(line)).toMatchObject({ level: 'warn', text: 'failed  status=503', traceId });
  for (const plain of ['    at Object.<anonymous> (x.ts:1:2)', '42', 'null', '{"broken'])
    expect(readLogLine(plain)).toEqual({ time: '', level: 'info', text: plain, traceId: undefined });
});

describe('the timeline', () => {
  const figures = (requests: number, errors = 0) => {
    const latencies = { p50: 1, p95: 2, p99: 3, heat: [[heatRow(2), requests] as const] };
    return { count: requests, errors, ...latencies };
  };
  const point = (slot: number, requests: number, routes = 1): TrafficPoint => ({
    slot,
    services: {
      web: {
        ...figures(requests, 1),
        routes: Object.fromEntries(Array.from({ length: routes }, (_, i) => [`GET /${i}`, figures(requests)])),
      },
    },
    calls: [],
  });
  const frame = (at: number, points: TrafficPoint[], instances: FrameInstance[] = []): Frame => ({
    at,
    slotMs: 2000,
    isOrchestrated: true,
    instances,
    points,
    scaling: null,
  });

  test('takes each point once, also when a stream that broke tells it again', () => {
    const history = new FleetHistory();
    history.add(frame(1, [point(1, 10), point(2, 20)]));
    history.add(frame(1, [point(1, 10), point(2, 20)]));
    history.add(frame(2, [point(2, 20), point(3, 0)]));
    expect(history.points.map(({ slot }) => slot)).toEqual([1, 2, 3]);
    expect(rateColumns(history.points, 2000, 'web')).toEqual([
      [2, 4, 6],
      [5, 10, 0],
      [0.5, 0.5, 0.5],
    ]);
    expect(latencyColumns(history.points, 2000, 'web', 'GET /0')[2]).toEqual([2, 2, null]);
    expect(latencyColumns(history.points, 2000, 'nobody')[2]).toEqual([null, null, null]);
  });

  test('is bounded, however long and however many routes one looks at', () => {
    const history = new FleetHistory();
    for (let i = 1; i <= 1000; i++) history.add(frame(i, [point(i, 1, 100)]));
    expect(history.points).toHaveLength(900);
    expect(history.marks).toHaveLength(900);
    const routes = history.points.map(({ services }) => Object.keys(services['web']!.routes).length);
    expect(routes.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(40_000);
    expect([routes[0], routes.at(-1)]).toEqual([0, 100]); // the oldest keep their totals only
    expect(history.points[0]!.services['web']!.count).toBe(1);
  });

  test('a hit rate is of what was asked between two frames, also across a restart', () => {
    const instance = (hits: number, misses: number) =>
      ({
        service: 'web',
        state: 'ready',
        figures: { engines: { responses: { hits, misses } } },
      }) as unknown as FrameInstance;
    const history = new FleetHistory();
    for (const [at, hits, misses] of [
      [1, 100, 100],
      [2, 103, 101],
      [3, 103, 101],
      [4, 1, 1],
    ] as const)
      history.add(frame(at, [], [instance(hits, misses)]));
    expect(hitRateColumns(history.marks, ['web'])[1]).toEqual([null, 75, null, 50]);
    expect([growth(5, undefined), growth(5, 3), growth(2, 5)]).toEqual([0, 2, 2]);
  });

  test('limits on requests in flight are told by what they are for, all instances together, and bounded', () => {
    const instance = (keys: object, waiting = 0) => {
      const engines = { rateLimiter: { waitingRequests: 2 }, concurrency: { waiting, keys } };
      return { id: 'web-1', service: 'web', state: 'ready', figures: { engines } } as unknown as FrameInstance;
    };
    const history = new FleetHistory();
    history.add(frame(1, []));
    const training = { limit: 20, inFlight: 3, waiting: 1 };
    history.add(frame(2, [], [instance({ training }, 1), instance({ training, all: { ...training, limit: 5 } }, 1)]));
    expect(slotColumns(history.marks, slotName('web', 'training'))).toEqual([
      [0.001, 0.002],
      [null, 40],
      [null, 6],
      [null, 2],
    ]);
    expect(slotColumns(history.marks, slotName('web', 'all'))[1]).toEqual([null, 5]);
    expect(waitingColumns(history.marks, ['web'])[1]).toEqual([null, 6]);
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`client ${i}`, training]));
    history.add(frame(3, [], [instance(many)]));
    expect(Object.keys(history.marks[2]!.slots)).toHaveLength(16);
  });

  test('a cell of the heatmap leads to its time and latency', () => {
    const grid = heatGrid([point(5, 1), point(6, 4)], 2000, 10, 'web');
    expect(grid.cells.map(({ column, count: n }) => [column, n])).toEqual([
      [8, 1],
      [9, 4],
    ]);
    const { row, column, shade } = grid.cells[1]!;
    expect(shade).toBe(1);
    expect(grid.timeAt(column)).toBe(12_000);
    expect(grid.latencyAt(row)).toBeLessThanOrEqual(2);
    expect(grid.latencyAt(row - 1)).toBeGreaterThan(2);
    expect(heatGrid([], 2000, 10, 'web').cells).toEqual([]);
  });
});
