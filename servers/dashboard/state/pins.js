// Traces pinned by the viewer. The browser stores them, because the services keep traces for only 15 minutes.
import { Observable } from './observable.js';

const STORED = 'tooloo.pins';
/** With more pins than this, the oldest is removed. */
const MOST = 20;

export const pins = new Observable(stored());

function stored() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORED) ?? '[]');
    return Array.isArray(kept) ? kept : [];
  } catch {
    return []; // storage is unavailable or holds something else
  }
}

/** Throws if the browser has no space left for it. */
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
