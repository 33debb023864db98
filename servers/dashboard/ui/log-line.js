// A log line with its instance, and a link to its trace where a service keeps the trace.
import { useEffect, useRef, useState } from 'preact/hooks';
import { clockTime, dateTime } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { readLogLine } from '../model/log-line.ts';
import { html } from './html.js';
import { TraceLink } from './trace-link.js';

const DAY_MS = 86_400_000;

/**
 * @param line as printed
 * @param at epoch milliseconds; undefined: the time in the line
 * @param instance shown with a link; undefined: not shown
 */
export function LogLine({ line, at, instance }) {
  const { time, level, text, stack, traceId } = readLogLine(line);
  const when = at === undefined ? time : Date.now() - at < DAY_MS ? clockTime(at, true) : dateTime(at);
  return html`
    <li data-level=${level}>
      <span class="muted">${when}</span>
      ${instance && html` <a href=${hrefOf('fleet', [instance])}>${instance}</a>`}
      ${level !== 'info' && html` <strong>${level}</strong>`} ${text}
      ${traceId && html` <${VisibleTraceLink} traceId=${traceId} />`}
      ${
        stack &&
        html`<details>
          <summary>Stack trace</summary>
          <pre>${stack}</pre>
        </details>`
      }
    </li>
  `;
}

/** Elements whose visibility is watched, each with what to call. */
const watched = new WeakMap();

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
});

/**
 * A link while it is on the screen. The services are asked whether they keep the trace, and keep it meanwhile. For all
 * lines of a long list that would be too much.
 */
function VisibleTraceLink({ traceId }) {
  const place = useRef(null);
  const [isVisible, setIsVisible] = useState(false);
  useEffect(() => {
    const element = place.current;
    watched.set(element, setIsVisible);
    observer.observe(element);
    return () => observer.unobserve(element);
  }, []);
  return html`<span ref=${place}>${isVisible && html`<${TraceLink} traceId=${traceId} otherwise="">trace<//>`}</span>`;
}
