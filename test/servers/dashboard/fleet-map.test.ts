import { fleetMap, NODE } from '../../../servers/dashboard/model/fleet-map.js';
import type { FrameInstance } from '../../../servers/web/fleet-sampler.js';
import type { TrafficPoint } from '../../../servers/web/traffic-merge.js';

const instances = ['web', 'meta', 'coach', 'training', 'training', 'unheard-of'].map(
  (service, i) => ({ service, id: `${service}-${i}` }) as FrameInstance,
);
const call = (from: string, to: string, count: number, errors = 0, p95 = 5) => ({ from, to, count, errors, p95 });
const points: TrafficPoint[] = [
  { slot: 1, services: {}, calls: [call('web', 'training', 10, 1, 5), call('meta', 'training', 2)] },
  { slot: 2, services: {}, calls: [call('web', 'training', 30, 1, 9), call('web', 'gone', 1), call('web', 'web', 1)] },
];

test('a box for each service, none over another, whoever is in the fleet', () => {
  const { nodes, width, height } = fleetMap(instances, points, 2000);
  expect(nodes.map(({ service }) => service).sort()).toEqual(['coach', 'meta', 'training', 'unheard-of', 'web']);
  expect(nodes.find(({ service }) => service === 'training')!.instances).toHaveLength(2);
  for (const [i, one] of nodes.entries()) {
    expect(one.x + NODE.width).toBeLessThanOrEqual(width);
    expect(one.y + NODE.height).toBeLessThanOrEqual(height);
    for (const other of nodes.slice(i + 1))
      expect(Math.abs(one.x - other.x) >= NODE.width || Math.abs(one.y - other.y) >= NODE.height).toBe(true);
  }
});

test('an arrow for each pair that spoke, with the rate over the points, the errors of all and the highest p95', () => {
  const { edges } = fleetMap(instances, points, 2000);
  expect(edges.map(({ from, to, rate, errorRate, p95 }) => ({ from, to, rate, errorRate, p95 }))).toEqual([
    { from: 'web', to: 'training', rate: 10, errorRate: 0.05, p95: 9 },
    { from: 'meta', to: 'training', rate: 0.5, errorRate: 0, p95: 5 },
  ]);
  expect(new Set(edges.map(({ path }) => path)).size).toBe(2);
});

test('no label lies on another, however many call one service', () => {
  const callers = Array.from({ length: 8 }, (_, i) => `caller-${i}`);
  const many = [...callers, 'training'].map((service) => ({ service, id: service }) as FrameInstance);
  const calls = callers.flatMap((from) => [call(from, 'training', 1), call('training', from, 1)]);
  const { edges } = fleetMap(many, [{ slot: 1, services: {}, calls }], 2000);
  expect(edges).toHaveLength(16);
  const labels = edges.map(({ label }) => label);
  for (const [i, one] of labels.entries())
    for (const other of labels.slice(i + 1))
      expect(Math.abs(one.x - other.x) >= 125 || Math.abs(one.y - other.y) >= 17 - 1e-9).toBe(true);
});

test('an empty fleet is an empty map', () => {
  expect(fleetMap([], [], 2000)).toEqual({ width: 0, height: 0, nodes: [], edges: [] });
});
