import fc from '../../support/fast-check.js';
import { callTotals } from '../../../servers/dashboard/model/calls.js';
import {
  fleetMap,
  LABEL,
  NODE,
  pathOf,
  type FleetMap,
  type Point,
} from '../../../servers/dashboard/model/fleet-map.js';
import { serviceGroups, worstFirst } from '../../../servers/dashboard/model/service-group.js';
import type { FrameInstance } from '../../../servers/web/fleet-sampler.js';
import type { TrafficPoint } from '../../../servers/web/traffic-merge.js';

const call = (from: string, to: string, count: number, errors = 0, p95 = 5) => ({ from, to, count, errors, p95 });

test('calls are added up: the rate over the points, the errors of all and the highest p95', () => {
  const points: TrafficPoint[] = [
    { slot: 1, services: {}, calls: [call('web', 'training', 10, 1, 5), call('meta', 'training', 2)] },
    { slot: 2, services: {}, calls: [call('web', 'training', 30, 1, 9)] },
  ];
  expect(callTotals(points, 2000)).toEqual([
    { from: 'web', to: 'training', rate: 10, errorRate: 0.05, p95: 9 },
    { from: 'meta', to: 'training', rate: 0.5, errorRate: 0, p95: 5 },
  ]);
});

interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width - 0.01 &&
  b.x < a.x + a.width - 0.01 &&
  a.y < b.y + b.height - 0.01 &&
  b.y < a.y + a.height - 0.01;

/** Whether a line passes through the inside of a box, checked in steps of less than a pixel. */
function crosses(points: readonly Point[], box: Box): boolean {
  const inside = ({ x, y }: Point): boolean =>
    x > box.x + 1 && x < box.x + box.width - 1 && y > box.y + 1 && y < box.y + box.height - 1;
  return points.slice(1).some((to, i) => {
    const from = points[i]!;
    const steps = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y)) + 1;
    return Array.from({ length: steps }, (_, step) => step / steps).some((t) =>
      inside({ x: from.x + (to.x - from.x) * t, y: from.y + (to.y - from.y) * t }),
    );
  });
}

const boxesOf = ({ nodes }: FleetMap) => [...nodes].map(([service, at]) => ({ service, ...at, ...NODE }));

const services = Array.from({ length: 12 }, (_, i) => `service-${i}`);
const graphs = fc.record({
  services: fc.uniqueArray(fc.constantFrom(...services), { maxLength: 12 }),
  edges: fc.uniqueArray(fc.record({ from: fc.constantFrom(...services), to: fc.constantFrom(...services) }), {
    selector: ({ from, to }) => `${from} ${to}`,
    maxLength: 24,
  }),
});

test('boxes and labels never overlap, no arrow runs behind a box, and everything is inside', () => {
  fc.assert(
    fc.property(graphs, ({ services: present, edges }) => {
      const map = fleetMap(present, edges);
      const boxes = boxesOf(map);
      expect(boxes.map(({ service }) => service).sort()).toEqual([...present].sort());
      const isPresent = ({ from, to }: { from: string; to: string }) =>
        from !== to && present.includes(from) && present.includes(to);
      expect(map.edges).toHaveLength(edges.filter(isPresent).length);
      const labels = map.edges.map(({ label: { x, y } }) => ({
        x: x - LABEL.width / 2,
        y: y - LABEL.height / 2,
        ...LABEL,
      }));
      const all: Box[] = [...boxes, ...labels];
      for (const [i, one] of all.entries()) {
        for (const other of all.slice(i + 1)) expect(overlap(one, other)).toBe(false);
        expect(Math.min(one.x, one.y)).toBeGreaterThanOrEqual(-0.01);
        expect(one.x + one.width).toBeLessThanOrEqual(map.width + 0.01);
        expect(one.y + one.height).toBeLessThanOrEqual(map.height + 0.01);
      }
      for (const { from, to, points } of map.edges) {
        for (const box of boxes)
          expect([from, to, box.service, crosses(points, box)]).toEqual([from, to, box.service, false]);
        const [start, end] = [points[0]!, points.at(-1)!];
        const side = (service: string) => [map.nodes.get(service)!.x, map.nodes.get(service)!.x + NODE.width];
        expect(side(from)).toContain(start.x);
        expect(side(to)).toContain(end.x);
      }
    }),
    { numRuns: 60 },
  );
});

test('a caller is to the left of the services it calls, and services without calls are in rows below', () => {
  const { nodes, width } = fleetMap(
    ['web', 'training', 'budget', ...services],
    [
      { from: 'web', to: 'training' },
      { from: 'training', to: 'budget' },
    ],
  );
  const at = (service: string) => nodes.get(service)!;
  expect(at('web').x).toBeLessThan(at('training').x);
  expect(at('training').x).toBeLessThan(at('budget').x);
  for (const service of services) expect(at(service).y).toBeGreaterThan(at('web').y + NODE.height);
  expect(new Set(services.map((service) => at(service).y)).size).toBeLessThanOrEqual(4);
  expect(width).toBeGreaterThan(3 * NODE.width);
});

test('the first service is leftmost, even if another one has no callers and there are cycles', () => {
  const pairs = [
    'orchestrator training',
    'web training',
    'web budget',
    'training budget',
    'budget web',
    'training web',
  ];
  const edges = pairs.map((pair) => ({ from: pair.split(' ')[0]!, to: pair.split(' ')[1]! }));
  const { nodes } = fleetMap(['web', 'budget', 'orchestrator', 'training'], edges);
  const xs = ['web', 'training', 'budget'].map((service) => nodes.get(service)!.x);
  expect(xs).toEqual([...xs].sort((a, b) => a - b));
  expect(new Set(xs).size).toBe(3);
});

test('an empty fleet is an empty map', () => {
  expect(fleetMap([], [])).toEqual({ width: 0, height: 0, nodes: new Map(), edges: [] });
});

test('a path goes through its ends with round corners', () => {
  const points = [
    { x: 0, y: 0 },
    { x: 100, y: 0 },
    { x: 100, y: 100 },
  ];
  expect(pathOf(points)).toBe('M0.0,0.0 L76.0,0.0 Q100.0,0.0 100.0,24.0 L100.0,100.0');
});

describe('instances of a service as one', () => {
  const instance = (id: string, state = 'ready') =>
    ({ id, service: id.split('-')[0], state, figures: {}, routing: null }) as unknown as FrameInstance;
  const textOf = (...states: string[]) => serviceGroups(states.map((state, i) => instance(`a-${i}`, state)))[0]?.text;

  test.each([
    [['ready', 'ready'], '2 ready'],
    [[...Array.from({ length: 11 }, () => 'ready'), 'failed'], '12, 1 down'],
    [['ready', 'failed', 'unreachable', 'draining'], '4, 2 down, 1 draining'],
    [['starting', 'starting'], '2 starting'],
    [['failed'], '1 down'],
  ])('%j is “%s”', (states, text) => expect(textOf(...states)).toBe(text));

  test('the worst service and the worst instance come first, and equals keep their order', () => {
    const all = [instance('a-1'), instance('b-1'), instance('b-2', 'failed'), instance('c-1', 'draining')];
    expect(serviceGroups(all).map(({ service }) => service)).toEqual(['b', 'c', 'a']);
    expect(worstFirst(all).map(({ id }) => id)).toEqual(['b-2', 'c-1', 'a-1', 'b-1']);
    expect(serviceGroups(all)[0]!.instances[0]!.id).toBe('b-2');
  });
});
