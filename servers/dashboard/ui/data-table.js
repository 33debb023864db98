// A table in a scrollable box. Numbers are right-aligned with digits of equal width, so they are easy to compare.
import { html } from './html.js';

/**
 * @param columns [{ title, cell(row), isNumber, tone(row) }]; the first is the heading of the row.
 * @param isTall whether the table may have many rows: it then scrolls on its own.
 * @param keyOf the unique key of a row.
 */
export function DataTable({ caption, columns, rows, keyOf, isCaptionHidden = false, isTall = false }) {
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
            ${columns.map(({ title, isNumber }, i) => html`<th key=${i} scope="col" class=${isNumber && 'number'}>${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(row)}
        </tbody>
      </table>
    </div>
  `;
}

export function classes(...names) {
  return names.filter(Boolean).join(' ') || undefined;
}

/** A share from 0 to 1 as a bar. It repeats the figure beside it. */
export function ShareBar({ share }) {
  return html`<span class="share" aria-hidden="true"><i style=${{ width: `${100 * share}%` }}></i></span>`;
}
