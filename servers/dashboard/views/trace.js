// One trace: its spans over time, its critical path, and the details of one span.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { curlOf } from '../model/curl.ts';
import { clockTime, duration } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { failuresOf, nameOf } from '../model/span-facts.ts';
import { matchingRows } from '../model/visible-rows.ts';
import { waterfall } from '../model/waterfall.ts';
import { lastSearch } from '../state/last-search.js';
import { useObservable } from '../state/observable.js';
import { pins } from '../state/pins.js';
import { useAnswer } from '../state/use-answer.js';
import { CopyButton } from '../ui/copy-button.js';
import { Answered, Silent } from '../ui/notice.js';
import { PinButton } from '../ui/pin-button.js';
import { SpanDetail } from './span-detail.js';
import { Waterfall } from './waterfall.js';

export function TraceView({ traceId, spanId }) {
  const pinned = useObservable(pins).find((one) => one.traceId === traceId);
  const asked = useAnswer(pinned ? undefined : `/api/v1/dashboard/traces/${encodeURIComponent(traceId)}`);
  const answer = pinned ? { data: { trace: pinned } } : asked;
  return html`
    <section class="panel">
      <p><a href=${hrefOf('traces', [], lastSearch.query)}>← Traces</a></p>
      <${Answered}
        what="The trace"
        answer=${answer}
        show=${({ trace }) => html`<${Trace} trace=${trace} spanId=${spanId} />`}
      />
    </section>
  `;
}

function Trace({ trace, spanId }) {
  const [sought, setSought] = useState('');
  const rows = waterfall(trace.spans);
  const chosen = rows.find(({ span }) => span.spanId === spanId);
  const services = new Set(trace.spans.map(({ service }) => service));
  const isFound = (row) => sought !== '' && matches(row, sought);
  const found = sought === '' ? undefined : rows.filter(isFound).length;
  return html`
    <div class="panel-head">
      <h2>${nameOf(trace.spans)}</h2>
      <${PinButton} trace=${trace} />
      <${CopyButton} label="Copy as curl" text=${() => curlOf(trace.spans, location.origin, newTraceId())} />
      <a class="button quiet" href=${hrefOf('logs', [], { trace: trace.traceId })}>Log lines</a>
      <${CopyButton} label="Copy link" text=${() => location.href} />
    </div>
    <p>
      ${duration(trace.duration)} from ${clockTime(trace.startTime, true)}, ${trace.spans.length} spans in
      ${services.size}
      ${services.size === 1 ? 'service' : 'services'}${trace.status === 'success' ? '' : html`, <strong class="bad">✕ ${trace.status}</strong>`}.
      ${trace.droppedSpans > 0 && ` ${trace.droppedSpans} further spans were too many to keep.`}
    </p>
    <${Failures} trace=${trace} />
    <${Silent} ids=${trace.silent} />
    <label class="find"
      >Find in trace
      <input type="search" data-search value=${sought} onInput=${(event) => setSought(event.currentTarget.value)} />
      <span role="status" class="muted">${found !== undefined && `${found} of ${rows.length} spans`}</span>
    </label>
    <${Waterfall}
      traceId=${trace.traceId}
      rows=${sought === '' ? rows : matchingRows(rows, isFound)}
      total=${trace.duration}
      selected=${spanId}
      isFound=${isFound}
    />
    ${chosen && html`<${SpanDetail} key=${spanId} row=${chosen} traceId=${trace.traceId} />`}
  `;
}

/** Why the request failed. */
function Failures({ trace }) {
  const failures = failuresOf(trace.spans);
  if (failures.length === 0) return null;
  return html`<ul class="failures">
    ${failures.map(({ spanId, service, message }) => html`<li key=${spanId}><a href=${hrefOf('traces', [trace.traceId, spanId])}>${service}</a>: <span class="bad">${message}</span></li>`)}
  </ul>`;
}

function matches({ span }, sought) {
  const text = JSON.stringify([span.service, span.operation, span.error, span.attributes, span.logs]);
  return text.toLowerCase().includes(sought.toLowerCase());
}

function newTraceId() {
  return crypto.getRandomValues(new Uint8Array(16)).reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), '');
}
