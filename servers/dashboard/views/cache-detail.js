// Details of the caches: the busiest keys and tags, and the latest invalidations.
import { html } from '../ui/html.js';
import { hottestRows } from '../model/cache-rows.ts';
import { clockTime, count, duration, percent } from '../model/format.ts';
import { useAnswer } from '../state/use-answer.js';
import { DataTable } from '../ui/data-table.js';
import { Answered, Empty, Silent } from '../ui/notice.js';

const REFRESH_MS = 4000;

const about = (value, error) => `${error > 0 ? '≤ ' : ''}${count(value)}`;

const KEY_COLUMNS = [
  { title: 'Key', cell: ({ key }) => html`<code>${key}</code>` },
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'Lookups', isNumber: true, cell: ({ lookups, error }) => about(lookups, error) },
  { title: 'Found', isNumber: true, cell: ({ lookups, misses }) => percent(Math.max(0, 1 - misses / lookups)) },
];

const TAG_COLUMNS = [
  { title: 'Tag', cell: ({ tag }) => html`<code>${tag}</code>` },
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'Found', isNumber: true, cell: ({ hits, error }) => about(hits, error) },
];

const INVALIDATION_COLUMNS = [
  {
    title: 'What',
    cell: ({ kind, name, soft }) => html`${soft ? 'soft ' : ''}${kind} <code>${name}</code>`,
  },
  { title: 'At', cell: ({ at }) => clockTime(at, true) },
  { title: 'By', cell: ({ by, times }) => `${by}${times > 1 ? `, ${times} times` : ''}` },
  {
    title: 'Applied at',
    cell: ({ applied }) => html`<span class="wrap">${applied.map(appliedWhere).join(', ') || 'nowhere yet'}</span>`,
  },
  {
    title: 'Confirmed',
    cell: (row) => html`<span class="wrap">${confirmation(row)}</span>`,
    tone: ({ waitingFor }) => (waitingFor.length > 0 ? 'warn' : undefined),
  },
  { title: 'Slowest', isNumber: true, cell: ({ slowest }) => duration(slowest) },
];

function appliedWhere({ instance, removed }) {
  return removed === null ? instance : `${instance} (${count(removed)})`;
}

function confirmation({ told, confirmed, waitingFor }) {
  if (told === 0) return 'sent to no peer';
  const missing = waitingFor.length > 0 ? `, ✕ not by ${waitingFor.join(', ')}` : '';
  return `${confirmed} of ${told}${missing}`;
}

export function CacheDetail() {
  const answer = useAnswer('/api/v1/dashboard/caches', REFRESH_MS);
  return html`<${Answered}
    what="What is in the caches"
    answer=${answer}
    show=${(told) => html`<${Detail} ...${told} />`}
  />`;
}

function Detail({ hottest, invalidations, silent }) {
  const { keys, tags } = hottestRows(hottest);
  return html`
    <${Silent} ids=${silent} />
    <section class="panel">
      ${
        invalidations.length === 0
          ? html`<${Empty} title="Nothing was invalidated yet.">
              Change what is cached, publish an invalidation, or purge above: it is listed here with where it went.
            <//>`
          : html`<${DataTable}
              caption="Invalidations, the latest first"
              columns=${INVALIDATION_COLUMNS}
              rows=${invalidations}
              isTall=${true}
              keyOf=${({ at, kind, name, by }) => `${at} ${kind} ${name} ${by}`}
            />`
      }
    </section>
    <div class="columns wide-first">
      <section class="panel">
        ${
          keys.length === 0
            ? html`<${Empty} title="No cache was asked for anything yet."
                >The hottest keys appear with the first lookups.<//
              >`
            : html`<${DataTable}
                caption="Hottest keys"
                columns=${KEY_COLUMNS}
                rows=${keys}
                isTall=${true}
                keyOf=${({ instance, key }) => `${instance} ${key}`}
              />`
        }
        <p class="muted">Counted of a sample. What a client put into an address behind the “?” is shown as a hash.</p>
      </section>
      <section class="panel">
        ${
          tags.length === 0
            ? html`<${Empty} title="Nothing that carries a tag was found yet."
                >Responses carry those of <code>Cache-Groups</code>, entries those they were stored with.<//
              >`
            : html`<${DataTable}
                caption="Hottest tags"
                columns=${TAG_COLUMNS}
                rows=${tags}
                isTall=${true}
                keyOf=${({ instance, tag }) => `${instance} ${tag}`}
              />`
        }
      </section>
    </div>
  `;
}
