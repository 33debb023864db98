// A table in a scrollable box. Numbers are right-aligned with digits of equal width, so they are easy to compare.
import { useState } from 'preact/hooks';
import { nextSorting, sortedRows } from '../model/sorted-rows.ts';
import { html } from './html.js';

/**
 * @param columns [{ title, cell(row), isNumber, tone(row), by(row) }]; the first is the heading of the row. A column with
 * `by` can be sorted by that value.
 * @param most how many rows are shown
 * @param isTall whether the table may have many rows: it then scrolls on its own.
 * @param keyOf the unique key of a row.
 */
export function DataTable({ caption, columns, rows, keyOf, most = Infinity, isCaptionHidden = false, isTall = false }) {
  const [sorting, setSorting] = useState(undefined);
  const [heading, ...others] = columns;
  const row = (one) => html`
    <tr key=${keyOf(one)}>
      <th scope="row">${heading.cell(one)}</th>
      ${others.map(
        (column, i) =>
          html`<td key=${i} class=${classes(column.isNumber && 'number', column.tone?.(one))}>${column.cell(one)}</td>`,
      )}
    </tr>
  `;
  return html`
    <div class=${classes('scroll', isTall && 'tall')} tabindex="0" role="region" aria-label=${caption}>
      <table>
        <caption class=${isCaptionHidden ? 'visually-hidden' : undefined}>
          ${caption}
        </caption>
        <thead>
          <tr>
            ${columns.map((column, i) => html`<${Heading} key=${i} column=${column} sorting=${sorting} onSort=${() => setSorting(nextSorting(sorting, column.title))} />`)}
          </tr>
        </thead>
        <tbody>
          ${sortedRows(rows, columns, sorting).slice(0, most).map(row)}
        </tbody>
      </table>
    </div>
  `;
}

function Heading({ column: { title, isNumber, by }, sorting, onSort }) {
  if (by === undefined) return html`<th scope="col" class=${isNumber && 'number'}>${title}</th>`;
  const isSorted = sorting?.title === title;
  const order = isSorted ? (sorting.isDescending ? 'descending' : 'ascending') : undefined;
  return html`
    <th scope="col" class=${isNumber && 'number'} aria-sort=${order}>
      <button type="button" class="sort" onClick=${onSort}>
        ${title}<span aria-hidden="true">${isSorted ? (sorting.isDescending ? ' ↓' : ' ↑') : ''}</span>
      </button>
    </th>
  `;
}

export function classes(...names) {
  return names.filter(Boolean).join(' ') || undefined;
}

/** A share from 0 to 1 as a bar. It repeats the figure beside it. */
export function ShareBar({ share }) {
  return html`<span class="share" aria-hidden="true"><i style=${{ width: `${100 * share}%` }}></i></span>`;
}
