// Caches: the contents and hit rates of each layer, and purging of outdated entries.
import { html } from '../ui/html.js';
import { bytes, clockTime, count, duration, percent } from '../model/format.ts';
import { cacheRows } from '../model/cache-rows.ts';
import { hitRateLine } from '../model/timeline.ts';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { useEvents, useHistory } from '../state/timeline.js';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { Empty, Loading } from '../ui/notice.js';
import { RangeBar } from '../ui/range-bar.js';
import { Ranged } from '../ui/ranged.js';
import { colorOf } from '../ui/service-lines.js';
import { CacheDetail } from './cache-detail.js';
import { PurgeForm } from './purge-form.js';

const LAYER_COLUMNS = [
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'Layer', cell: ({ layer }) => layer },
  { title: 'Entries', isNumber: true, cell: ({ size }) => count(size) },
  { title: 'Size', isNumber: true, cell: (row) => bytes(row.bytes) },
  { title: 'Hits', isNumber: true, cell: ({ hits }) => count(hits) },
  { title: 'Misses', isNumber: true, cell: ({ misses }) => count(misses) },
  { title: 'Hit rate', isNumber: true, cell: ({ hitRate }) => percent(hitRate) },
  { title: 'Evicted', isNumber: true, cell: ({ evictions }) => count(evictions) },
  { title: 'Expired', isNumber: true, cell: ({ expirations }) => count(expirations) },
  {
    title: 'Failed',
    isNumber: true,
    cell: ({ errors }) => count(errors),
    tone: ({ errors }) => (errors > 0 ? 'bad' : undefined),
  },
];

const RESPONSE_COLUMNS = [
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'Hit rate', isNumber: true, cell: ({ hitRate }) => percent(hitRate) },
  { title: 'Hits', isNumber: true, cell: ({ hits }) => count(hits) },
  { title: 'Stale', isNumber: true, cell: ({ staleHits }) => count(staleHits) },
  { title: 'Shared', isNumber: true, cell: ({ collapsed }) => count(collapsed) },
  { title: 'Misses', isNumber: true, cell: ({ misses }) => count(misses) },
  { title: 'Stored', isNumber: true, cell: ({ stored }) => count(stored) },
  { title: 'Invalidated', isNumber: true, cell: ({ invalidations }) => count(invalidations) },
  { title: 'In flight', isNumber: true, cell: ({ inFlight }) => count(inFlight) },
];

export function CachesView() {
  const frame = useObservable(session.frame);
  if (frame === undefined) return html`<${Loading} what="the caches" />`;
  const { layers, responses, coordination } = cacheRows(frame.instances);
  if (layers.length === 0) {
    return html`<section class="panel">
      <${Empty} title="No service has a cache."
        >A server opens one with <code>openCache</code>, or mounts <code>cacheResponse</code>.<//
      >
    </section>`;
  }
  const services = [...new Set(responses.map(({ service }) => service))];
  return html`
    <${RangeBar} />
    <section class="panel"><${PurgeForm} /></section>
    <section class="panel">
      <${HitRates} services=${services} />
      <${DataTable}
        caption="Responses"
        columns=${RESPONSE_COLUMNS}
        rows=${responses}
        keyOf=${({ instance }) => instance}
      />
    </section>
    <section class="panel">
      <${DataTable}
        caption="Layers"
        columns=${LAYER_COLUMNS}
        rows=${layers}
        keyOf=${({ instance, layer }) => `${instance} ${layer}`}
      />
    </section>
    ${coordination.length > 0 && html`<section class="panel"><${Coordination} rows=${coordination} /></section>`}
    <${CacheDetail} />
  `;
}

/** The share of requests that the response cache of each service answered. */
function HitRates({ services }) {
  const answer = useHistory();
  const events = useEvents();
  return html`<${Ranged}
    answer=${answer}
    show=${({ grid, services: told }) => html`
      <${Chart}
        title="Hit rate of responses"
        grid=${grid}
        events=${events}
        format=${(value) => `${value.toFixed(0)} %`}
        lines=${services.map((label, i) => ({
          label,
          color: colorOf(i),
          values: hitRateLine(grid, told[label]?.points ?? []),
        }))}
      />
    `}
  />`;
}

const COORDINATION_COLUMNS = [
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'Sent', isNumber: true, cell: ({ sent }) => count(sent) },
  { title: 'Received', isNumber: true, cell: ({ received }) => count(received) },
  {
    title: 'Waiting',
    isNumber: true,
    cell: ({ pending }) => count(pending),
    tone: ({ pending }) => (pending > 0 ? 'warn' : undefined),
  },
  {
    title: 'Up to date',
    cell: ({ coherence }) => (coherence ? `${coherence.upToDate} of ${coherence.peers} peers` : '–'),
    tone: ({ coherence }) => (coherence && coherence.upToDate < coherence.peers ? 'warn' : undefined),
  },
  {
    title: 'Oldest waiting',
    isNumber: true,
    cell: ({ coherence }) => (coherence?.oldestPending > 0 ? duration(coherence.oldestPending) : '–'),
    tone: ({ coherence }) => (coherence?.oldestPending > 0 ? 'warn' : undefined),
  },
  { title: 'Delay p50', isNumber: true, cell: ({ coherence }) => delay(coherence, 'p50') },
  { title: 'p95', isNumber: true, cell: ({ coherence }) => delay(coherence, 'p95') },
  { title: 'p99', isNumber: true, cell: ({ coherence }) => delay(coherence, 'p99') },
  { title: 'Compared', cell: ({ coherence }) => comparison(coherence?.lastCheck) },
  { title: 'Peers', cell: ({ peers }) => html`<span class="wrap">${peers.join(', ') || 'none'}</span>` },
];

function delay(coherence, percentile) {
  return coherence?.delays.count > 0 ? duration(coherence.delays[percentile]) : '–';
}

function comparison(check) {
  if (check === undefined) return 'not yet';
  return `${clockTime(check.at)}: ${check.isCoherent ? 'equal' : '✕ something was missing'}`;
}

function Coordination({ rows }) {
  return html`<${DataTable}
    caption="Invalidations between the services"
    columns=${COORDINATION_COLUMNS}
    rows=${rows}
    keyOf=${({ instance }) => instance}
  />`;
}
