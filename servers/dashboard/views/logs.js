// Logs: the lines of all instances in one list, filtered, and followed while they appear.
import { useState } from 'preact/hooks';
import { filtersOf } from '../model/followed-logs.ts';
import { count, dateTime } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { boundsOf } from '../model/time-range.ts';
import { useLogs } from '../state/logs.js';
import { session } from '../state/session.js';
import { useTimeRange } from '../state/timeline.js';
import { html } from '../ui/html.js';
import { LogList } from '../ui/log-list.js';
import { Answered, Empty, Failed, Silent } from '../ui/notice.js';
import { PauseButton } from '../ui/pause-button.js';
import { RangeBar } from '../ui/range-bar.js';
import { LogFilters } from './log-filters.js';

export function LogsView({ query }) {
  const filters = filtersOf(query);
  const [isPaused, setIsPaused] = useState(false);
  const answer = useLogs(filters, isPaused);
  return html`
    ${filters.trace ? html`<${OfTrace} filters=${filters} />` : html`<${RangeBar} />`}
    <section class="panel">
      <${LogFilters} filters=${filters} sources=${[...(answer.data?.sources ?? []), ...runningSources()]} />
      <${Answered}
        what="The log"
        answer=${answer}
        show=${(logs) => html`
          ${answer.error && html`<${Failed} what="The log" error=${answer.error} onRetry=${answer.reload} />`}
          <${Lines}
            logs=${logs}
            filters=${filters}
            isLive=${answer.isLive}
            isPaused=${isPaused}
            onPause=${setIsPaused}
          />
          <${Silent} ids=${logs.silent} />
        `}
      />
    </section>
  `;
}

function runningSources() {
  return (session.frame.value?.instances ?? []).map(({ service, id }) => ({ service, instance: id }));
}

function OfTrace({ filters }) {
  return html`<p>
    Lines of <a href=${hrefOf('traces', [filters.trace])}>trace ${filters.trace.slice(0, 8)}…</a>, of any time.
    <a href=${hrefOf('logs', [], { ...filters, trace: undefined })}>Lines of all requests</a>
  </p>`;
}

function Lines({ logs, filters, isLive, isPaused, onPause }) {
  const { lines, hasMore } = logs;
  const state = !isLive ? 'fixed range' : isPaused ? 'held: press p or scroll to the end to continue' : 'following';
  return html`
    <div class="panel-head">
      <h2>${count(lines.length)} ${lines.length === 1 ? 'line' : 'lines'}, the newest last</h2>
      <span class="muted" role="status">${state}</span>
      ${isLive && html`<${PauseButton} isPaused=${isPaused} onChange=${onPause} />`}
    </div>
    <${Missing} logs=${logs} filters=${filters} />
    ${hasMore && html`<p class="muted">Older lines match too. Choose a shorter time range, or filter.</p>`}
    ${lines.length === 0 ? html`<${NoLines} filters=${filters} />` : html`<${LogList} lines=${lines} isPaused=${isPaused || !isLive} onPause=${onPause} />`}
  `;
}

/** Says for which instances the list does not begin where the time range begins. */
function Missing({ logs: { sources }, filters }) {
  const range = useTimeRange();
  const from = filters.trace ? 0 : boundsOf(range, Date.now()).from;
  const isShown = ({ service, instance }) =>
    (filters.service ?? service) === service && (filters.instance ?? instance) === instance;
  const dropped = sources.filter((source) => isShown(source) && source.droppedBefore >= from);
  if (dropped.length === 0) return null;
  return html`<p class="muted">
    No longer held:
    ${dropped.map(({ instance, droppedBefore }) => `lines of ${instance} before ${dateTime(droppedBefore)}`).join(', ')}.
  </p>`;
}

function NoLines({ filters }) {
  if (Object.keys(filters).length === 0) {
    return html`<${Empty} title="No line was printed in this time range.">
      The services keep their latest lines: 1,000 each, and 300 warnings and errors.
    <//>`;
  }
  return html`<${Empty} title="No line matches."><a href=${hrefOf('logs')}>All lines</a><//>`;
}
