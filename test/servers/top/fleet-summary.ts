/** Summaries of fleets for the tests of `top`. */
import fc from '../../support/fast-check.js';
import { FleetHistory } from '../../../servers/dashboard/model/history.js';
import { summarize, type FleetSummary } from '../../../servers/top/summary.js';
import type { Frame, FrameInstance, InstanceFigures } from '../../../servers/web/fleet-sampler.js';
import type { TrafficPoint } from '../../../servers/web/traffic-merge.js';

export function instanceOf(id: string, figures: Partial<InstanceFigures> | null, state = 'ready'): FrameInstance {
  const known = { cpu: 0.1, loop: 0.2, rss: 9e7, heapUsed: 4e7, inFlight: 1, rate: 5, errorRate: 0, uptime: 60_000 };
  return {
    ...{ id, service: id.split('-')[0]!, host: '127.0.0.1', port: 3000, state, pid: 7, restarts: 0, reason: null },
    ...{ routing: null, figures: figures && { ...known, engines: {}, ...figures } },
  };
}

export function summaryOf(instances: readonly FrameInstance[], points: readonly TrafficPoint[] = []): FleetSummary {
  const history = new FleetHistory();
  const frame: Frame = { at: 1e12, slotMs: 2000, isOrchestrated: true, missing: [], instances, points, scaling: null };
  history.add(frame);
  return summarize(history)!;
}

/** A point with the routes and the calls given as counts. */
export function pointOf(slot: number, routes: Record<string, number>, calls: [string, string, number][]): TrafficPoint {
  const figures = (count: number) => ({
    ...{ count, errors: count % 3, p50: 1, p95: 123.4, p99: 9, slowest: 9, statuses: {}, heat: [] },
  });
  const byRoute = Object.fromEntries(Object.entries(routes).map(([route, count]) => [route, figures(count)]));
  const total = Object.values(routes).reduce((sum, count) => sum + count, 0);
  return {
    slot,
    services: { training: { ...figures(total), routes: byRoute } },
    calls: calls.map(([from, to, count]) => ({ from, to, count, errors: 0, p95: 5 })),
  };
}

const name = fc.string({
  unit: fc.constantFrom(...'abcdefgh-/:', '漢', 'é', '\u001b', '\n'),
  minLength: 1,
  maxLength: 60,
});
const share = fc.option(fc.double({ min: 0, max: 1, noNaN: true }));
const figures = fc.record({
  ...{ cpu: share, loop: share, rate: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })) },
  ...{
    rss: fc.nat(1e13),
    inFlight: fc.nat(1e5),
    uptime: fc.nat(1e10),
    errorRate: fc.double({ min: 0, max: 1, noNaN: true }),
  },
});

/** Fleets of any size, with names of any length and characters that must not reach a terminal. */
export const summaries = fc
  .record({
    instances: fc.uniqueArray(
      fc.tuple(name, fc.option(figures), fc.constantFrom('ready', 'failed', 'draining', 'starting')),
      { selector: ([id]) => id, maxLength: 70 },
    ),
    routes: fc.dictionary(name, fc.integer({ min: 1, max: 1e6 }), { maxKeys: 70 }),
    calls: fc.uniqueArray(fc.tuple(name, name, fc.integer({ min: 1, max: 1e6 })), {
      selector: ([from, to]) => `${from}\u0000${to}`,
      maxLength: 30,
    }),
  })
  .map(({ instances, routes, calls }) =>
    summaryOf(
      instances.map(([id, known, state]) => instanceOf(id, known, state)),
      [pointOf(1, routes, calls)],
    ),
  );
