// The waterfall: a table for screen readers and bars for the eye, in the same rows.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { duration } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { factsOf, roleOf } from '../model/span-facts.ts';
import { unfoldedRows } from '../model/visible-rows.ts';
import { classes } from '../ui/data-table.js';

const INDENT_REM = 0.9;
/** Minimum share of the width for a very short span, so that it stays visible. */
const MIN_WIDTH = 0.003;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

export function Waterfall({ traceId, rows, total, selected, isFound }) {
  const [folded, setFolded] = useState(new Set());
  const toggle = (id) =>
    setFolded((before) => new Set(before.has(id) ? [...before].filter((one) => one !== id) : [...before, id]));
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Waterfall">
      <table class="waterfall">
        <caption class="visually-hidden">
          Spans in the order they began. On the critical path: what the whole waited for.
        </caption>
        <thead>
          <tr>
            <th scope="col">Span</th>
            <th scope="col">Service</th>
            <th scope="col" class="number">Took</th>
            <th scope="col" class="number">Critical</th>
            <th scope="col" class="timeline">
              <span class="visually-hidden">Timeline</span>
              <span class="ticks" aria-hidden="true"
                >${TICKS.map((tick) => html`<span key=${tick}>${duration(tick * total)}</span>`)}</span
              >
            </th>
          </tr>
        </thead>
        <tbody>
          ${unfoldedRows(rows, folded).map(
            (row) =>
              html`<${Row}
                key=${row.span.spanId}
                traceId=${traceId}
                row=${row}
                isSelected=${row.span.spanId === selected}
                isFound=${isFound(row)}
                isFolded=${folded.has(row.span.spanId)}
                onFold=${toggle}
              />`,
          )}
        </tbody>
      </table>
    </div>
    <p class="legend muted" aria-hidden="true">
      ${[
        ['request', 'request'],
        ['call', 'call'],
        ['query', 'query'],
        ['wait', 'wait'],
        ['cache', 'cache'],
        ['work', 'other work'],
      ].map(([role, word]) => html`<span key=${role}><i class=${`swatch ${role}`}></i>${word}</span>`)}
      <span><i class="swatch critical"></i>critical path</span>
    </p>
  `;
}

function Row({ traceId, row, isSelected, isFound, isFolded, onFold }) {
  const { span, label, depth, start, width, critical } = row;
  const bar = { left: `${100 * start}%`, width: `${100 * Math.max(width, MIN_WIDTH)}%` };
  const isCritical = critical > 0;
  return html`
    <tr class=${classes(isSelected && 'selected', isFound && 'found')} aria-selected=${isSelected}>
      <th scope="row" style=${{ paddingLeft: `${0.5 + depth * INDENT_REM}rem` }}>
        ${
          row.hasChildren
            ? html`<button
                type="button"
                class="fold"
                aria-expanded=${!isFolded}
                aria-label=${`The spans below ${label}`}
                onClick=${() => onFold(span.spanId)}
              >
                ${isFolded ? '▸' : '▾'}
              </button>`
            : html`<span class="fold"></span>`
        }
        <a href=${hrefOf('traces', [traceId, span.spanId])} title=${label} aria-label=${`${label}, level ${depth + 1}`}
          >${label}</a
        >
        ${factsOf(span).map(({ word, tone }) => html` <span key=${word} class=${`fact ${tone}`}>${word}</span>`)}
      </th>
      <td>${span.service}</td>
      <td class="number">${duration(span.duration)}</td>
      <td class="number">${isCritical ? duration(critical) : '–'}</td>
      <td class="timeline">
        <span class=${classes('span-bar', roleOf(span), isCritical && 'critical')} style=${bar}></span>
      </td>
    </tr>
  `;
}
