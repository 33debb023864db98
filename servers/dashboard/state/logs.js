// The log lines of the time range in the address. A live range is followed until it is paused.
import { useEffect, useRef, useState } from 'preact/hooks';
import { followed } from '../model/followed-logs.ts';
import { boundsOf } from '../model/time-range.ts';
import { getJson } from './api.js';
import { useTimeRange } from './timeline.js';

const FOLLOW_EVERY_MS = 2000;
const RETRY_MS = 5000;

/**
 * @param filters from `filtersOf`. The lines of a trace are those of all times.
 * @returns { data, error, isLive, reload }
 */
export function useLogs(filters, isPaused) {
  const range = useTimeRange();
  const key = JSON.stringify([filters, filters.trace ?? [range.name, range.since, range.until]]);
  const [answer, setAnswer] = useState({ key });
  const [round, setRound] = useState(0);
  const shown = useRef(answer);
  const isLive = range.isLive || filters.trace !== undefined;

  useEffect(() => {
    const show = (next) => {
      shown.current = { key, ...next };
      setAnswer(shown.current);
    };
    const known = () => (shown.current.key === key ? shown.current.data : undefined);
    if (isPaused && known() !== undefined) return undefined;
    const abort = new AbortController();
    let timer;
    const ask = async () => {
      let wait = FOLLOW_EVERY_MS;
      try {
        if (!document.hidden) {
          const { from, to } = boundsOf(range, Date.now());
          const bounds = filters.trace ? {} : range.isLive ? { from } : { from, to };
          const after = known()?.cursor;
          const query = new URLSearchParams({ ...filters, ...bounds, ...(after && { after }) });
          const data = await getJson(`/api/v1/dashboard/logs?${query}`, abort.signal);
          show({ data: followed(known(), data, bounds.from ?? 0) });
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        show({ data: known(), error });
        wait = RETRY_MS;
      }
      if (isLive && !abort.signal.aborted) timer = setTimeout(ask, wait);
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [key, round, isPaused]);

  const { data, error } = answer.key === key ? answer : {};
  return { data, error, isLive, reload: () => setRound((before) => before + 1) };
}
