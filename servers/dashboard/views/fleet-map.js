// The map as a picture. Everything in it is in the tables below as well; screen readers are sent there.
import { html } from '../ui/html.js';
import { NODE } from '../model/fleet-map.ts';
import { duration, percent, rate } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { classes } from '../ui/data-table.js';
import { stateOf, StateSign } from '../ui/state-sign.js';

const MARGIN = 12;
/** Arrows with figures on them, the busiest; the table has all. */
const MAX_LABELS = 14;
/** Sign after sign, as many as fit into a box. */
const MAX_SIGNS = 10;

export function FleetMapPicture({ map, selected }) {
  const { width, height, nodes, edges } = map;
  const labelled = [...edges].sort((a, b) => b.rate - a.rate).slice(0, MAX_LABELS);
  const box = `${-MARGIN} ${-MARGIN} ${width + 2 * MARGIN} ${height + 2 * MARGIN}`;
  return html`
    <div class="map">
      <svg viewBox=${box} aria-hidden="true" focusable="false">
        <defs>
          <${ArrowHead} id="arrow" />
          <${ArrowHead} id="arrow-bad" />
        </defs>
        ${edges.map((edge) => html`<${Arrow} key=${`${edge.from} ${edge.to}`} edge=${edge} />`)}
        ${nodes.map((node) => html`<${Node} key=${node.service} node=${node} selected=${selected} />`)}
        ${labelled.map((edge) => html`<${ArrowLabel} key=${`${edge.from} ${edge.to}`} edge=${edge} />`)}
      </svg>
    </div>
  `;
}

function ArrowHead({ id }) {
  return html`
    <marker id=${id} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
      <path d="M0,0 L8,4 L0,8 z" />
    </marker>
  `;
}

function Arrow({ edge }) {
  // Ten times the calls, a pixel and a half more.
  const width = 1.5 + 1.5 * Math.max(0, Math.log10(Math.max(edge.rate, 0.1) * 10) - 1);
  return html`<path
    class=${classes('arrow', edge.errorRate > 0 && 'bad')}
    d=${edge.path}
    stroke-width=${width.toFixed(1)}
    marker-end=${edge.errorRate > 0 ? 'url(#arrow-bad)' : 'url(#arrow)'}
  />`;
}

function ArrowLabel({ edge }) {
  const { x, y } = edge.label;
  const failed = edge.errorRate > 0 ? ` · ${percent(edge.errorRate)} err` : '';
  return html`
    <text class=${classes('arrow-label', edge.errorRate > 0 && 'bad')} x=${x.toFixed(1)} y=${(y - 5).toFixed(1)}>
      ${`${rate(edge.rate)} · ${duration(edge.p95)}${failed}`}
    </text>
  `;
}

/** What the instances of a service do together; nothing where none of them answers. */
function totalsOf(instances) {
  const figures = instances.flatMap((one) => one.figures ?? []);
  if (figures.length === 0) return {};
  const sum = (of) => figures.reduce((total, one) => total + of(one), 0);
  const perSecond = sum((one) => one.rate ?? 0);
  const failing = sum((one) => (one.rate ?? 0) * one.errorRate);
  return { perSecond, errorRate: perSecond === 0 ? 0 : failing / perSecond, cpu: sum((one) => one.cpu ?? 0) };
}

function Node({ node, selected }) {
  const { service, instances, x, y } = node;
  const { perSecond, errorRate, cpu } = totalsOf(instances);
  const isIll = instances.some((one) => !['ready', 'starting', 'draining'].includes(stateOf(one)));
  const isSelected = instances.some(({ id }) => id === selected);
  return html`
    <a href=${hrefOf('fleet', [instances[0].id])} tabindex="-1" transform=${`translate(${x} ${y})`}>
      <rect
        class=${classes('node', isIll && 'bad', isSelected && 'selected')}
        width=${NODE.width}
        height=${NODE.height}
        rx="8"
      />
      <foreignObject width=${NODE.width} height=${NODE.height}>
        <div class="node-text">
          <div class="node-title">
            <strong>${service}</strong>
            <span class="node-signs"
              >${instances.slice(0, MAX_SIGNS).map((one) => html`<${StateSign} key=${one.id} instance=${one} hasWord=${false} />`)}${
                instances.length > MAX_SIGNS ? `+${instances.length - MAX_SIGNS}` : ''
              }</span
            >
          </div>
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
