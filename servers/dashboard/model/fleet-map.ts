/** The fleet as a map: services where they always are, arrows where requests went in the last seconds. */
import type { FrameInstance } from '../../web/fleet-sampler.js';
import type { TrafficPoint } from '../../web/traffic-merge.js';

export interface MapNode {
  readonly service: string;
  readonly instances: readonly FrameInstance[];
  readonly x: number;
  readonly y: number;
}

export interface MapEdge {
  readonly from: string;
  readonly to: string;
  /** Calls a second, the share of them that failed, and their 95th percentile in ms. */
  readonly rate: number;
  readonly errorRate: number;
  readonly p95: number;
  /** A cubic curve from the one's right side to the other's left. */
  readonly path: string;
  readonly label: { readonly x: number; readonly y: number };
}

export interface FleetMap {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly MapNode[];
  readonly edges: readonly MapEdge[];
}

export const NODE = { width: 190, height: 92 } as const;

const COLUMN_GAP = 160;
const ROW_GAP = 30;

/** What a label needs, so that one does not lie on another. */
const LABEL = { width: 125, height: 17 } as const;

/** Where on an arrow its label is, 0 to 1: in the gap before the service it ends at, also when it passes another column. */
const LABEL_AT = 0.5;
const LABEL_AT_LONG = 0.84;

/** Callers left of those they call, so that most arrows run one way. Unknown services join the second column. */
const COLUMNS: Readonly<Record<string, number>> = { web: 0, orchestrator: 0, training: 2, budget: 2, segmentation: 2 };
const DEFAULT_COLUMN = 1;

interface Call {
  readonly from: string;
  readonly to: string;
  count: number;
  errors: number;
  p95: number;
}

/** Calls of the last points, added up; the percentile is the highest of them. */
export function recentCalls(points: readonly TrafficPoint[]): Call[] {
  const calls = new Map<string, Call>();
  for (const { from, to, count, errors, p95 } of points.flatMap((point) => point.calls)) {
    const key = JSON.stringify([from, to]);
    const known = calls.get(key);
    if (known === undefined) calls.set(key, { from, to, count, errors, p95 });
    else {
      known.count += count;
      known.errors += errors;
      known.p95 = Math.max(known.p95, p95);
    }
  }
  return [...calls.values()];
}

/** @param slotMs milliseconds a point spans */
export function fleetMap(
  instances: readonly FrameInstance[],
  points: readonly TrafficPoint[],
  slotMs: number,
): FleetMap {
  const nodes = placed(instances);
  const at = new Map(nodes.map((node) => [node.service, node]));
  const seconds = (Math.max(1, points.length) * slotMs) / 1000;
  const calls = recentCalls(points).filter(({ from, to }) => at.has(from) && at.has(to) && from !== to);
  const edges = calls.map((call) => {
    const source = at.get(call.from)!;
    const target = at.get(call.to)!;
    const curve = curveBetween(source, target, portOf(call, calls, at));
    return {
      from: call.from,
      to: call.to,
      rate: call.count / seconds,
      errorRate: call.errors / call.count,
      p95: call.p95,
      ...curve,
    };
  });
  const height = Math.max(0, ...nodes.map(({ y }) => y + NODE.height));
  const width = Math.max(0, ...nodes.map(({ x }) => x + NODE.width));
  return { width, height, nodes, edges: spread(edges) };
}

/** Moves labels down that would lie on another, as little as it takes. */
function spread(edges: readonly MapEdge[]): MapEdge[] {
  const settled: MapEdge['label'][] = [];
  const moved = new Map<MapEdge, MapEdge['label']>();
  for (const edge of [...edges].sort((a, b) => a.label.y - b.label.y)) {
    const { x } = edge.label;
    let { y } = edge.label;
    for (const other of settled) {
      if (Math.abs(other.x - x) < LABEL.width && Math.abs(other.y - y) < LABEL.height) y = other.y + LABEL.height;
    }
    settled.push({ x, y });
    settled.sort((a, b) => a.y - b.y);
    moved.set(edge, { x, y });
  }
  return edges.map((edge) => ({ ...edge, label: moved.get(edge)! }));
}

function placed(instances: readonly FrameInstance[]): MapNode[] {
  const services = [...new Set(instances.map(({ service }) => service))];
  const columns = new Map<number, string[]>();
  for (const service of services) {
    const column = COLUMNS[service] ?? DEFAULT_COLUMN;
    columns.set(column, [...(columns.get(column) ?? []), service]);
  }
  const rows = Math.max(0, ...[...columns.values()].map(({ length }) => length));
  const pitch = NODE.height + ROW_GAP;
  return [...columns].flatMap(([column, names]) =>
    names.map((service, row) => ({
      service,
      instances: instances.filter((one) => one.service === service),
      x: column * (NODE.width + COLUMN_GAP),
      y: (row + (rows - names.length) / 2) * pitch,
    })),
  );
}

/** Arrows that end at one service lie beside each other, in the order they come from: share of its height, 0 to 1. */
function portOf(call: Call, calls: readonly Call[], at: ReadonlyMap<string, MapNode>): number {
  const incoming = calls.filter(({ to }) => to === call.to).sort((a, b) => at.get(a.from)!.y - at.get(b.from)!.y);
  return (incoming.indexOf(call) + 1) / (incoming.length + 1);
}

function curveBetween(from: MapNode, to: MapNode, port: number): Pick<MapEdge, 'path' | 'label'> {
  const isBack = to.x <= from.x;
  const start = { x: from.x + (isBack && to.x < from.x ? 0 : NODE.width), y: from.y + NODE.height / 2 };
  const end = { x: to.x + (isBack ? NODE.width : 0), y: to.y + NODE.height * port };
  const bend = Math.max(50, Math.abs(end.x - start.x) / 2);
  const leave = { x: start.x + (isBack && to.x < from.x ? -bend : bend), y: start.y };
  const arrive = { x: end.x + (isBack ? bend : -bend), y: end.y };
  const t = Math.abs(end.x - start.x) > COLUMN_GAP ? LABEL_AT_LONG : LABEL_AT;
  const point = (a: number, b: number, c: number, d: number): number =>
    (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t ** 2 * c + t ** 3 * d;
  return {
    path: `M${start.x},${start.y} C${leave.x},${leave.y} ${arrive.x},${arrive.y} ${end.x},${end.y}`,
    label: { x: point(start.x, leave.x, arrive.x, end.x), y: point(start.y, leave.y, arrive.y, end.y) },
  };
}
