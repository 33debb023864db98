// A link to a trace, if a service keeps the trace.
import { html } from './html.js';
import { hrefOf } from '../model/location.ts';
import { useKeptTrace } from '../state/offered-traces.js';

/**
 * @param isKnown whether a service has just listed the trace, so that the link need not wait for an answer
 * @param otherwise shown without a link if no service keeps the trace
 */
export function TraceLink({ traceId, isKnown = false, otherwise = '–', children }) {
  const isKept = useKeptTrace(traceId);
  if (!isKept && !isKnown) return otherwise;
  return html`<a href=${hrefOf('traces', [traceId])}>${children}</a>`;
}
