// The map as a picture, hidden from screen readers. The tables below contain the same data.
import { useMemo } from 'preact/hooks';
import { html } from '../ui/html.js';
import { fleetMap, LABEL, NODE, pathOf } from '../model/fleet-map.ts';
import { duration, percent, rate } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { classes } from '../ui/data-table.js';

const MARGIN = 12;
/** A map that would have to be smaller than this to fit scrolls sideways, because its text could not be read. */
const MIN_SCALE = 0.7;
/** Estimated width of a character of a label, in pixels, and the space around the text. */
const CHARACTER = 6.2;
const CHIP_PADDING = 16;

/**
 * @param groups the services, the worst first
 * @param calls the calls that are drawn
 * @param known the calls of the last minute: their arrows have a place even while they are not drawn
 */
export default function FleetMapPicture({ groups, calls, known, selected }) {
  const services = groups.map(({ service }) => service).sort(entryFirst);
  const pairs = known.map(({ from, to }) => ({ from, to })).sort(byName);
  // A service keeps its place as long as the services and their connections are the same.
  const key = JSON.stringify([services, pairs]);
  const map = useMemo(() => fleetMap(services, pairs), [key]);
  const { width, height, nodes, edges } = map;
  const places = new Map(edges.map((edge) => [keyOf(edge), edge]));
  const drawn = calls.flatMap((call) => ({ ...call, ...places.get(keyOf(call)) })).filter(({ points }) => points);
  const box = `${-MARGIN} ${-MARGIN} ${width + 2 * MARGIN} ${height + 2 * MARGIN}`;
  return html`
    <div class="map" role="group" aria-label="Map, scrolls sideways" tabindex="0">
      <svg
        viewBox=${box}
        width=${width + 2 * MARGIN}
        style=${{ minWidth: `${width * MIN_SCALE}px` }}
        aria-hidden="true"
        focusable="false"
      >
        <defs>
          <${ArrowHead} id="arrow" />
          <${ArrowHead} id="arrow-bad" />
        </defs>
        ${drawn.map((edge) => html`<${Arrow} key=${keyOf(edge)} edge=${edge} />`)}
        ${groups.map(
          (group) =>
            html`<${Node} key=${group.service} group=${group} at=${nodes.get(group.service)} selected=${selected} />`,
        )}
        ${drawn.map((edge) => html`<${ArrowLabel} key=${keyOf(edge)} edge=${edge} />`)}
      </svg>
    </div>
  `;
}

const keyOf = ({ from, to }) => `${from} ${to}`;
/** The gateway first: it is the entry. */
const entryFirst = (a, b) => Number(b === 'web') - Number(a === 'web') || a.localeCompare(b);
const byName = (a, b) => keyOf(a).localeCompare(keyOf(b));

function ArrowHead({ id }) {
  return html`
    <marker
      id=${id}
      viewBox="0 0 8 8"
      refX="7"
      refY="4"
      markerWidth="10"
      markerHeight="10"
      markerUnits="userSpaceOnUse"
      orient="auto"
    >
      <path d="M0,0 L8,4 L0,8 z" />
    </marker>
  `;
}

function Arrow({ edge }) {
  // The width grows by 1.5 pixels when the calls increase tenfold.
  const width = 1.5 + 1.5 * Math.max(0, Math.log10(Math.max(edge.rate, 0.1) * 10) - 1);
  return html`<path
    class=${classes('arrow', edge.errorRate > 0 && 'bad')}
    d=${pathOf(edge.points)}
    stroke-width=${width.toFixed(1)}
    marker-end=${edge.errorRate > 0 ? 'url(#arrow-bad)' : 'url(#arrow)'}
  />`;
}

function ArrowLabel({ edge }) {
  const { x, y } = edge.label;
  const failed = edge.errorRate > 0 ? ` · ${percent(edge.errorRate)} err` : '';
  const label = `${rate(edge.rate)} · ${duration(edge.p95)}${failed}`;
  const width = Math.min(LABEL.width, label.length * CHARACTER + CHIP_PADDING);
  return html`
    <g class=${classes('chip', edge.errorRate > 0 && 'bad')} transform=${`translate(${x.toFixed(1)} ${y.toFixed(1)})`}>
      <title>${`${edge.from} → ${edge.to}: ${label}`}</title>
      <rect x=${-width / 2} y=${-LABEL.height / 2} width=${width} height=${LABEL.height} rx=${LABEL.height / 2} />
      <text y="4">${label}</text>
    </g>
  `;
}

/** Totals over the instances of a service; empty if no instance answers. */
function totalsOf(instances) {
  const figures = instances.flatMap((one) => one.figures ?? []);
  if (figures.length === 0) return {};
  const sum = (of) => figures.reduce((total, one) => total + of(one), 0);
  const perSecond = sum((one) => one.rate ?? 0);
  const failing = sum((one) => (one.rate ?? 0) * one.errorRate);
  return { perSecond, errorRate: perSecond === 0 ? 0 : failing / perSecond, cpu: sum((one) => one.cpu ?? 0) };
}

/** The box of a service. It leads to its worst instance. */
function Node({ group: { service, instances, worst, text }, at, selected }) {
  const { perSecond, errorRate, cpu } = totalsOf(instances);
  const isSelected = instances.some(({ id }) => id === selected);
  return html`
    <a href=${hrefOf('fleet', [instances[0].id])} tabindex="-1" transform=${`translate(${at.x} ${at.y})`}>
      <rect
        class=${classes('node', worst.tone === 'bad' && 'bad', isSelected && 'selected')}
        width=${NODE.width}
        height=${NODE.height}
        rx="8"
      />
      <foreignObject width=${NODE.width} height=${NODE.height}>
        <div class="node-text">
          <strong class="node-title">${service}</strong>
          <span class=${`node-state ${worst.tone}`}>${worst.sign} ${text}</span>
          <div class="node-rate">${rate(perSecond)}</div>
          <div class="node-foot">
            <span class=${errorRate > 0 ? 'bad' : undefined}>${percent(errorRate)} err</span>
            <span>CPU ${percent(cpu)}</span>
          </div>
        </div>
      </foreignObject>
    </a>
  `;
}
