/** A trace as a waterfall: its spans as a tree, ordered by start time, with the critical path. */
import type { JoinedSpan } from '../../web/trace-search.js';
import { labelOf } from './span-facts.js';

export interface WaterfallRow {
  readonly span: JoinedSpan;
  readonly label: string;
  /** Number of levels below the root. */
  readonly depth: number;
  /** Position within the whole trace, 0 to 1. */
  readonly start: number;
  readonly width: number;
  /** Milliseconds during which the whole trace waited for this span; 0 if it is not on the critical path. */
  readonly critical: number;
  /** Milliseconds during which none of its children ran. */
  readonly self: number;
  readonly hasChildren: boolean;
}

interface Node {
  readonly span: JoinedSpan;
  readonly start: number;
  readonly end: number;
  readonly children: Node[];
}

interface Interval {
  readonly start: number;
  readonly end: number;
}

/**
 * The rows, each parent before its children. A span whose parent is missing becomes a root. A parent is missing if it
 * was not kept, or if its service did not answer.
 */
export function waterfall(spans: readonly JoinedSpan[]): WaterfallRow[] {
  const roots = treeOf(spans);
  // All spans count here, not only roots: a child on a machine whose clock is behind can begin before its parent.
  const begin = Math.min(...spans.map(({ startTime }) => startTime));
  const length = Math.max(...spans.map(({ startTime, duration }) => startTime + (duration ?? 0))) - begin || 1;
  const critical = new Map<Node, number>();
  const longest = roots.reduce<Node | undefined>(
    (best, root) => (best === undefined || root.end - root.start > best.end - best.start ? root : best),
    undefined,
  );
  if (longest !== undefined) markCritical(longest, longest, critical);
  const rows: WaterfallRow[] = [];
  const visit = (node: Node, depth: number): void => {
    const { span, start, end, children } = node;
    rows.push({
      span,
      label: labelOf(
        span,
        children.map((child) => child.span),
      ),
      depth,
      start: (start - begin) / length,
      width: (end - start) / length,
      critical: critical.get(node) ?? 0,
      self: end - start - covered(children, node),
      hasChildren: children.length > 0,
    });
    for (const child of children) visit(child, depth + 1);
  };
  for (const root of roots) visit(root, 0);
  return rows;
}

function treeOf(spans: readonly JoinedSpan[]): Node[] {
  const nodes = new Map<string, Node>();
  for (const span of spans) {
    nodes.set(span.spanId, { span, start: span.startTime, end: span.startTime + (span.duration ?? 0), children: [] });
  }
  const roots: Node[] = [];
  for (const node of nodes.values()) {
    const parent = nodes.get(node.span.parentSpanId ?? '');
    if (parent === undefined || isBelow(parent, node, nodes)) roots.push(node);
    else parent.children.push(node);
  }
  const byStart = (a: Node, b: Node): number => a.start - b.start || b.end - a.end;
  for (const node of nodes.values()) node.children.sort(byStart);
  return roots.sort(byStart);
}

/**
 * Whether `node` is an ancestor of `parent`. This check is needed because ids come from callers and can form a cycle.
 */
function isBelow(parent: Node, node: Node, nodes: ReadonlyMap<string, Node>): boolean {
  const seen = new Set<Node>();
  for (let at: Node | undefined = parent; at !== undefined && !seen.has(at);) {
    if (at === node) return true;
    seen.add(at);
    at = nodes.get(at.span.parentSpanId ?? '');
  }
  return false;
}

/**
 * Marks the critical path, from the end of the span backwards. Each moment belongs to the child that ended last before
 * it. Time that no child covers belongs to the span itself.
 */
function markCritical(node: Node, { start, end }: Interval, critical: Map<Node, number>): void {
  let at = end;
  let own = 0;
  const latestFirst = [...node.children].sort((a, b) => b.end - a.end);
  for (const child of latestFirst) {
    const part = { start: Math.max(child.start, start), end: Math.min(child.end, at) };
    if (part.start >= part.end) continue;
    own += at - part.end;
    markCritical(child, part, critical);
    at = part.start;
  }
  critical.set(node, own + at - start);
}

/** Milliseconds of a span during which at least one of its children ran. */
function covered(children: readonly Node[], { start, end }: Interval): number {
  let total = 0;
  let reached = start;
  for (const child of children) {
    const from = Math.max(child.start, reached);
    const to = Math.min(child.end, end);
    if (to > from) {
      total += to - from;
      reached = to;
    }
  }
  return total;
}
