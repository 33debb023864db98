// The time range of all views, in the address: a live range up to now, or a fixed one.
import { html } from './html.js';
import { dateTime } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { boundsOf, COMPARISONS, RANGES } from '../model/time-range.ts';
import { goTo, place } from '../state/place.js';
import { useTimeRange } from '../state/timeline.js';

const FIXED = { range: undefined, since: undefined, until: undefined };

/** Changes the range, and stays in the view. */
function change(parameters) {
  const { view, parts, query } = place.value;
  goTo(hrefOf(view, parts, { ...query, ...parameters }));
}

/** A date and time as the field `datetime-local` wants it. */
function localValue(at) {
  const date = new Date(at);
  return new Date(date.getTime() - 60_000 * date.getTimezoneOffset()).toISOString().slice(0, 16);
}

export function RangeBar({ hasComparison = false }) {
  const range = useTimeRange();
  const pause = () => {
    const { from, to } = boundsOf(range, Date.now());
    change({ ...FIXED, since: from, until: to });
  };
  const choose = ({ currentTarget: { value } }) => {
    if (value !== '') change({ ...FIXED, range: value });
  };
  const fix = (event) => {
    event.preventDefault();
    const { since, until } = Object.fromEntries(new FormData(event.currentTarget));
    change({ ...FIXED, since: Date.parse(since), until: Date.parse(until) });
  };
  const { from, to } = boundsOf(range, Date.now());
  return html`
    <div class="range-bar">
      <label
        >Time range
        <select onChange=${choose}>
          ${!range.isLive && html`<option value="" selected>fixed</option>`}
          ${Object.entries(RANGES).map(([name, { label }]) => html`<option key=${name} value=${name} selected=${range.name === name}>Last ${label}</option>`)}
        </select>
      </label>
      ${range.isLive ? html`<button type="button" onClick=${pause}>❚❚ Pause</button>` : html`<button type="button" onClick=${() => change({ ...FIXED, range: '15m' })}>▶ Live</button> <span class="muted">${dateTime(range.since)} – ${dateTime(range.until)}</span>`}
      <details>
        <summary>From – to</summary>
        <form class="search" onSubmit=${fix} key=${`${range.since} ${range.until} ${range.name}`}>
          <label>From <input type="datetime-local" name="since" required defaultValue=${localValue(from)} /></label>
          <label>To <input type="datetime-local" name="until" required defaultValue=${localValue(to)} /></label>
          <button>Show</button>
        </form>
      </details>
      ${
        hasComparison &&
        html`<label
          >Compare with
          <select onChange=${({ currentTarget: { value } }) => change({ compare: value || undefined })}>
            <option value="">nothing</option>
            ${Object.entries(COMPARISONS).map(([name, { label }]) => html`<option key=${name} value=${name} selected=${range.compare === name}>${label}</option>`)}
          </select>
        </label>`
      }
    </div>
  `;
}
