/**
 * The layout of the map: services in layers, callers to the left of the services they call, and arrows routed between
 * the boxes. dagre places them; it loads only with the map.
 */
import * as dagre from '@dagrejs/dagre';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface MapEdge {
  readonly from: string;
  readonly to: string;
}

export interface PlacedEdge extends MapEdge {
  readonly points: readonly Point[];
  /** The centre of the label. */
  readonly label: Point;
}

export interface FleetMap {
  readonly width: number;
  readonly height: number;
  /** The top left corner of each service's box. */
  readonly nodes: ReadonlyMap<string, Point>;
  readonly edges: readonly PlacedEdge[];
}

export const NODE = { width: 190, height: 112 } as const;

/** Space reserved for a label: the longest text is `1234/s · 59m 59s · 99.9 % err`. */
export const LABEL = { width: 176, height: 22 } as const;

const ROW_GAP = 28;
const COLUMN_GAP = 32;
/** Services without calls are in rows below, as wide as the layers, but at least this many. */
const MIN_COLUMNS = 4;
/** dagre halves this, because labels have layers of their own. */
const LAYER_GAP = 60;

/** @param services the first one is the entry: it is leftmost, and calls back to it point left */
export function fleetMap(services: readonly string[], edges: readonly MapEdge[]): FleetMap {
  const known = new Set(services);
  const drawn = edges.filter(({ from, to }) => known.has(from) && known.has(to) && from !== to);
  const calling = new Set(drawn.flatMap(({ from, to }) => [from, to]));
  const layers = layered(
    services.filter((service) => calling.has(service)),
    drawn,
  );
  const idle = services.filter((service) => !calling.has(service));
  const columns = Math.max(MIN_COLUMNS, Math.floor((layers.width + COLUMN_GAP) / (NODE.width + COLUMN_GAP)));
  const top = layers.height === 0 ? 0 : layers.height + ROW_GAP;
  const rows = idle.map((service, i): [string, Point] => [
    service,
    { x: (i % columns) * (NODE.width + COLUMN_GAP), y: top + Math.floor(i / columns) * (NODE.height + ROW_GAP) },
  ]);
  const nodes = new Map([...layers.nodes, ...rows]);
  const right = [...nodes.values()].map(({ x }) => x + NODE.width);
  const bottom = [...nodes.values()].map(({ y }) => y + NODE.height);
  return {
    width: Math.max(0, layers.width, ...right),
    height: Math.max(0, layers.height, ...bottom),
    nodes,
    edges: layers.edges,
  };
}

type Layers = FleetMap;

interface EdgeName {
  readonly v: string;
  readonly w: string;
  readonly name: string;
}

/** The members of a dagre graph that are used here. */
interface LayoutGraph {
  setGraph(options: object): unknown;
  setNode(name: string, label: object): unknown;
  setEdge(edge: EdgeName, label: object): unknown;
  node(name: string): Point;
  edge(edge: EdgeName): Point & { readonly points: readonly Point[] };
  graph(): { readonly width?: number; readonly height?: number };
}

/** dagre's own declarations import files without an extension, which Node's module resolution does not find. */
const { Graph, layout } = dagre as unknown as {
  readonly Graph: new (options: { multigraph: boolean }) => LayoutGraph;
  readonly layout: (graph: LayoutGraph) => void;
};

function layered(services: readonly string[], edges: readonly MapEdge[]): Layers {
  if (services.length === 0) return { width: 0, height: 0, nodes: new Map(), edges: [] };
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: 'LR', nodesep: ROW_GAP, edgesep: ROW_GAP / 2, ranksep: LAYER_GAP });
  for (const service of services) graph.setNode(service, { ...NODE });
  // dagre turns some edge of each circle around. An edge to the entry is turned around here, so that it is that one.
  const isBack = ({ to }: MapEdge): boolean => to === services[0];
  const placeOf = (edge: MapEdge): EdgeName =>
    isBack(edge) ? { v: edge.to, w: edge.from, name: 'back' } : { v: edge.from, w: edge.to, name: 'forth' };
  for (const edge of edges) graph.setEdge(placeOf(edge), { ...LABEL, labelpos: 'c' });
  layout(graph);
  const centres = new Map(services.map((service) => [service, pointOf(graph.node(service))]));
  const routes = edges.map((edge) => {
    const placed = graph.edge(placeOf(edge));
    const inner = placed.points.slice(1, -1).map(pointOf);
    return { ...edge, label: pointOf(placed), inner: straightened(isBack(edge) ? inner.reverse() : inner, centres) };
  });
  const { width = 0, height = 0 } = graph.graph();
  return {
    width,
    height,
    nodes: new Map(
      [...centres].map(([service, { x, y }]) => [service, { x: x - NODE.width / 2, y: y - NODE.height / 2 }]),
    ),
    edges: withEnds(routes, centres),
  };
}

function pointOf({ x, y }: Point): Point {
  return { x, y };
}

/** Through a layer of boxes a line is horizontal, because a sloping one would run behind the next box. */
function straightened(points: readonly Point[], centres: ReadonlyMap<string, Point>): Point[] {
  const layers = new Set([...centres.values()].map(({ x }) => Math.round(x)));
  return points.flatMap(({ x, y }, i) => {
    if (!layers.has(Math.round(x))) return [{ x, y }];
    const isRightward = (points[i + 1] ?? { x }).x > x || (points[i - 1] ?? { x }).x < x;
    const half = (isRightward ? 1 : -1) * (NODE.width / 2);
    return [
      { x: x - half, y },
      { x: x + half, y },
    ];
  });
}

type Route = MapEdge & { readonly label: Point; readonly inner: readonly Point[] };

/** An end of an arrow at the side of a box, and the height from which it comes. */
interface Attachment {
  readonly route: Route;
  readonly isStart: boolean;
  readonly isRight: boolean;
  readonly towards: number;
}

/** Spreads the ends of the arrows over the sides of the boxes, in the order in which they come, so that none cross. */
function withEnds(routes: readonly Route[], centres: ReadonlyMap<string, Point>): PlacedEdge[] {
  const ends = new Map<Route, { start: Point; end: Point }>(routes.map((route) => [route, noEnds()]));
  for (const [service, centre] of centres) {
    const attached = routes.flatMap((route) => attachmentsOf(route, service, centre));
    for (const isRight of [false, true]) {
      const side = attached.filter((one) => one.isRight === isRight).sort((a, b) => a.towards - b.towards);
      for (const [i, { route, isStart }] of side.entries()) {
        const at = {
          x: centre.x + ((isRight ? 1 : -1) * NODE.width) / 2,
          y: centre.y - NODE.height / 2 + (NODE.height * (i + 1)) / (side.length + 1),
        };
        ends.get(route)![isStart ? 'start' : 'end'] = at;
      }
    }
  }
  return routes.map((route) => {
    const { from, to, label, inner } = route;
    const { start, end } = ends.get(route)!;
    return { from, to, label, points: [start, ...inner, end] };
  });
}

const noEnds = (): { start: Point; end: Point } => ({ start: { x: 0, y: 0 }, end: { x: 0, y: 0 } });

function attachmentsOf(route: Route, service: string, { x }: Point): Attachment[] {
  const { from, to, inner, label } = route;
  if (from !== service && to !== service) return [];
  const isStart = from === service;
  const next = (isStart ? inner[0] : inner.at(-1)) ?? label;
  return [{ route, isStart, isRight: next.x > x, towards: next.y }];
}

/** Radius of the corners in pixels. */
const CORNER = 24;

/** The line as an SVG path with round corners. It stays inside the corners of the points. */
export function pathOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  const parts = rest.map((point, i) => {
    const next = rest[i + 1];
    if (next === undefined) return `L${text(point)}`;
    const before = between(point, points[i]!);
    return `L${text(before)} Q${text(point)} ${text(between(point, next))}`;
  });
  return `M${text(first!)} ${parts.join(' ')}`;
}

/** The point on the way to another one, a corner's radius away but not beyond the middle. */
function between(from: Point, to: Point): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const share = length === 0 ? 0 : Math.min(CORNER / length, 0.5);
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

const text = ({ x, y }: Point): string => `${x.toFixed(1)},${y.toFixed(1)}`;
