// The traces that the page shows links to. The page sends their ids to the services, which keep these traces readable
// for as long as the page shows the links, and answer which of them they have. A link appears only for those.
import { useEffect } from 'preact/hooks';
import { postJson } from './api.js';
import { Observable, useObservable } from './observable.js';

const ASK_EVERY_MS = 30_000;
/** New links are collected for this time, so that a table of links needs one request. */
const COLLECT_MS = 50;
/** Maximum number of ids in one request, which the server also checks. */
const MOST_AT_ONCE = 200;
const TRACE_ID = /^[0-9a-f]{32}$/;

class OfferedTraces {
  /** The ids that some service keeps. */
  kept = new Observable(new Set());
  /** Number of links by id. */
  #shown = new Map();
  #timer;
  #isCollecting = false;

  /** @returns a function to call when the link disappears */
  show(traceId) {
    if (!TRACE_ID.test(traceId)) return () => {};
    const links = this.#shown.get(traceId) ?? 0;
    this.#shown.set(traceId, links + 1);
    if (links === 0) this.#askSoon();
    return () => {
      const left = this.#shown.get(traceId) - 1;
      if (left > 0) this.#shown.set(traceId, left);
      else this.#shown.delete(traceId);
    };
  }

  #askSoon() {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), COLLECT_MS);
  }

  async #ask() {
    this.#isCollecting = false;
    const ids = [...this.#shown.keys()];
    const kept = new Set();
    try {
      for (let at = 0; at < ids.length; at += MOST_AT_ONCE) {
        const traceIds = ids.slice(at, at + MOST_AT_ONCE);
        const { held } = await postJson('/api/v1/dashboard/traces/hold', { traceIds });
        for (const id of held) kept.add(id);
      }
      this.kept.set(kept);
    } catch {
      // The links stay as they are. The banner reports that the web server cannot be reached.
    }
    if (this.#isCollecting || this.#shown.size === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), ASK_EVERY_MS);
  }
}

const offered = new OfferedTraces();

/** Whether a service keeps the trace. It is asked to keep it for as long as the component is shown. */
export function useKeptTrace(traceId) {
  const kept = useObservable(offered.kept);
  useEffect(() => (traceId === undefined ? undefined : offered.show(traceId)), [traceId]);
  return kept.has(traceId);
}
