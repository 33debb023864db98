// Traces the viewer keeps: in this browser, beyond the quarter of an hour for which the services hold them.
import { Observable } from './observable.js';

const STORED = 'tooloo.pins';
/** The oldest goes when there are more. */
const MOST = 20;

export const pins = new Observable(stored());

function stored() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORED) ?? '[]');
    return Array.isArray(kept) ? kept : [];
  } catch {
    return []; // not ours any more
  }
}

/** Throws where the browser has no room for it. */
function keep(traces) {
  localStorage.setItem(STORED, JSON.stringify(traces));
  pins.set(traces);
}

export function pin(trace) {
  keep([trace, ...without(trace.traceId)].slice(0, MOST));
}

export function unpin(traceId) {
  keep(without(traceId));
}

function without(traceId) {
  return pins.value.filter((one) => one.traceId !== traceId);
}
