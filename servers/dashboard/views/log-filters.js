// The filters of the log lines. They are in the address, so that they can be shared.
import { hrefOf } from '../model/location.ts';
import { goTo } from '../state/place.js';
import { html } from '../ui/html.js';
import { TextFilter } from '../ui/text-filter.js';

const LEVELS = [
  ['', 'all'],
  ['info', 'info and above'],
  ['warn', 'warn and above'],
  ['error', 'error and above'],
  ['fatal', 'fatal'],
];

/** @param sources the instances to choose from */
export function LogFilters({ filters, sources }) {
  const change = (changes, options) => goTo(hrefOf('logs', [], { ...filters, ...changes }), options);
  const services = sorted(sources.map(({ service }) => service));
  const chosen = sources.filter(({ service }) => filters.service === undefined || service === filters.service);
  const instances = sorted(chosen.map(({ instance }) => instance));
  return html`
    <form class="search" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label="Level" value=${filters.level} options=${LEVELS} onChange=${(level) => change({ level })} />
      <${Choice}
        label="Service"
        value=${filters.service}
        options=${withAny(services, filters.service)}
        onChange=${(service) => change({ service, instance: undefined })}
      />
      <${Choice}
        label="Instance"
        value=${filters.instance}
        options=${withAny(instances, filters.instance)}
        onChange=${(instance) => change({ instance })}
      />
      <${TextFilter}
        text=${filters.text ?? ''}
        describedBy="log-words"
        onText=${(text) => change({ text }, { replace: true })}
      />
      <p class="muted" id="log-words">
        Words that a line contains, or with <code>!</code> before them does not contain, e.g.
        <code>training !status=200</code>.
      </p>
    </form>
  `;
}

function sorted(names) {
  return [...new Set(names)].sort(new Intl.Collator('en', { numeric: true }).compare);
}

/** The value from the address is an option even if no such instance is known. */
function withAny(names, value) {
  const all = value === undefined || names.includes(value) ? names : [...names, value];
  return [['', 'any'], ...all.map((name) => [name, name])];
}

function Choice({ label, value = '', options, onChange }) {
  return html`<label
    >${label}
    <select value=${value} onChange=${(event) => onChange(event.currentTarget.value)}>
      ${options.map(([name, text]) => html`<option key=${name} value=${name} selected=${name === value}>${text}</option>`)}
    </select>
  </label>`;
}
