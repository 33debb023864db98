// Traces: the search, and one trace as a waterfall.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { clockTime, duration } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { nameOf } from '../model/span-facts.ts';
import { lastSearch } from '../state/last-search.js';
import { useObservable } from '../state/observable.js';
import { pins } from '../state/pins.js';
import { session } from '../state/session.js';
import { goTo } from '../state/place.js';
import { useAnswer } from '../state/use-answer.js';
import { DataTable, ShareBar } from '../ui/data-table.js';
import { Answered, Empty, Silent } from '../ui/notice.js';
import { PauseButton } from '../ui/pause-button.js';
import { TraceLink } from '../ui/trace-link.js';
import { TraceView } from './trace.js';

const REFRESH_MS = 4000;
const SEARCH = ['q', 'service', 'route', 'status', 'minDuration', 'from', 'to', 'system'];
/** The server returns at most this many at once. */
const PAGE = 50;

export function TracesView({ parts: [traceId, spanId], query }) {
  if (traceId !== undefined) return html`<${TraceView} traceId=${traceId} spanId=${spanId} />`;
  return html`<${TraceSearch} query=${query} />`;
}

function TraceSearch({ query }) {
  lastSearch.query = query;
  const asked = new URLSearchParams(SEARCH.flatMap((name) => (query[name] ? [[name, query[name]]] : [])));
  // A window in the past no longer changes, so it is not refreshed.
  const isLive = query.to === undefined;
  const [isPaused, setIsPaused] = useState(false);
  const answer = useAnswer(`/api/v1/dashboard/traces?${asked}`, isLive ? REFRESH_MS : 0, isPaused);
  return html`
    <${PinnedTraces} />
    <section class="panel">
      <${SearchForm} query=${query} />
      ${isLive && html`<p><${PauseButton} isPaused=${isPaused} onChange=${setIsPaused} /></p>`}
      <${Answered}
        what="Traces"
        answer=${answer}
        show=${({ traces, silent }) => html`<${TraceList} traces=${traces} query=${query} /><${Silent} ids=${silent} />`}
      />
    </section>
  `;
}

const PINNED_COLUMNS = [
  {
    title: 'Request',
    cell: ({ traceId, spans }) => html`<a href=${hrefOf('traces', [traceId])}>${nameOf(spans) || traceId}</a>`,
  },
  { title: 'Began', cell: ({ startTime }) => new Date(startTime).toLocaleString() },
  { title: 'Took', isNumber: true, cell: (trace) => duration(trace.duration) },
  { title: 'Status', cell: ({ status }) => status, tone: ({ status }) => (status === 'success' ? undefined : 'bad') },
];

function PinnedTraces() {
  const kept = useObservable(pins);
  if (kept.length === 0) return null;
  return html`<section class="panel">
    <${DataTable}
      caption="Pinned in this browser"
      columns=${PINNED_COLUMNS}
      rows=${kept}
      keyOf=${({ traceId }) => traceId}
    />
  </section>`;
}

/**
 * The search is in the address, so that it can be shared. The fields have initial values instead of controlled values.
 * Therefore a refresh of the list does not overwrite typed text.
 */
function SearchForm({ query }) {
  const services = [...new Set(session.frame.value?.instances.map(({ service }) => service) ?? [])];
  const search = (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.currentTarget));
    goTo(hrefOf('traces', [], { ...given, from: query.from, to: query.to }));
  };
  const window = query.from !== undefined || query.to !== undefined;
  return html`
    <form class="search" onSubmit=${search} key=${JSON.stringify(query)}>
      <label
        >Service
        <select name="service" defaultValue=${query.service ?? ''}>
          <option value="" selected=${!query.service}>any</option>
          ${services.map((name) => html`<option key=${name} value=${name} selected=${query.service === name}>${name}</option>`)}
        </select>
      </label>
      <label
        >Status
        <select name="status">
          <option value="">any</option>
          <option value="error" selected=${query.status === 'error'}>error</option>
          <option value="success" selected=${query.status === 'success'}>success</option>
        </select>
      </label>
      <label
        >At least, ms
        <input name="minDuration" type="number" min="0" step="any" defaultValue=${query.minDuration ?? ''}
      /></label>
      <label class="wide"
        >Route
        <input
          name="route"
          data-search
          defaultValue=${query.route ?? ''}
          placeholder="/api/v1/training/overview"
          spellcheck=${false}
      /></label>
      <label class="wide"
        >Attributes
        <input
          name="q"
          defaultValue=${query.q ?? ''}
          maxlength="500"
          placeholder="status:500 http.request.method:GET duration>100"
          aria-describedby="search-terms"
          spellcheck=${false}
      /></label>
      <button>Search</button>
      <p class="muted" id="search-terms">
        Attributes of a span as <code>name:value</code> or <code>name:"a value"</code>, also <code>status</code>,
        <code>route</code>, <code>service</code>, <code>duration${'>'}100</code> and <code>duration${'<'}2s</code>; all
        of them hold.
      </p>
      ${
        window &&
        html`<p class="muted">
          From ${query.from ? clockTime(Number(query.from)) : 'the beginning'} to
          ${query.to ? clockTime(Number(query.to)) : 'now'}.
          <a href=${hrefOf('traces', [], { ...query, from: undefined, to: undefined })}>Any time</a>
        </p>`
      }
    </form>
  `;
}

function TraceList({ traces, query }) {
  if (traces.length === 0) return html`<${NoTraces} isFiltered=${Object.keys(query).length > 0} />`;
  const longest = Math.max(...traces.map((one) => one.duration));
  const columns = [
    {
      title: 'Request',
      cell: ({ traceId, operation }) => html`<${TraceLink} traceId=${traceId} isKnown=${true}>${operation}<//>`,
    },
    { title: 'Began', cell: ({ startTime }) => clockTime(startTime, true) },
    {
      title: 'Took',
      isNumber: true,
      cell: (one) => html`<${ShareBar} share=${one.duration / longest} /> ${duration(one.duration)}`,
    },
    {
      title: 'Status',
      cell: ({ status, statusCode }) => `${status === 'success' ? '' : '✕ '}${statusCode ?? status}`,
      tone: ({ status }) => (status === 'success' ? undefined : 'bad'),
    },
    { title: 'Seen in', cell: ({ services }) => services.join(', ') },
  ];
  const older = { ...query, to: Math.floor(traces.at(-1).startTime) };
  return html`
    <${DataTable}
      caption="Traces, the latest first"
      columns=${columns}
      rows=${traces}
      keyOf=${({ traceId }) => traceId}
    />
    ${traces.length >= PAGE && html`<p><a href=${hrefOf('traces', [], older)}>Older traces →</a></p>`}
  `;
}

function NoTraces({ isFiltered }) {
  if (isFiltered) {
    return html`<${Empty} title="No trace matches.">
      One trace in ten is kept (TRACE_SAMPLING_RATE), and every one that fails or takes longer than a second, for
      fifteen minutes. <a href=${hrefOf('traces')}>All traces</a>
    <//>`;
  }
  return html`<${Empty} title="No traces yet.">
    Send requests through the gateway, e.g. <code>curl ${location.origin}/api/v1/training/overview</code>. One in ten is
    kept; more with TRACE_SAMPLING_RATE=1.
  <//>`;
}
