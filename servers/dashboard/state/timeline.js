// The history of the time range in the address. A live range is requested again when its next point is complete.
import { useEffect, useState } from 'preact/hooks';
import { boundsOf, COMPARISONS, timeRangeOf } from '../model/time-range.ts';
import { getJson } from './api.js';
import { useObservable } from './observable.js';
import { place } from './place.js';

const LEAST_EVERY_MS = 10_000;
const RETRY_MS = 5000;

export function useTimeRange() {
  return timeRangeOf(useObservable(place).query);
}

/**
 * @param path of the dashboard's API, without the range; undefined: no request is sent
 * @param parameters other parameters; undefined ones are left out
 * @param shift milliseconds by which the range lies before the shown one
 * @returns { data, error, isLoading, reload }: `data` stays while it is requested again
 */
function useRanged(path, parameters, shift = 0) {
  const range = useTimeRange();
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const key = JSON.stringify([path, given, shift, range.name, range.since, range.until]);
  const [answer, setAnswer] = useState({ key, data: undefined, error: undefined });
  const [round, setRound] = useState(0);

  useEffect(() => {
    if (path === undefined) return undefined;
    const abort = new AbortController();
    let timer;
    const ask = async () => {
      let wait = LEAST_EVERY_MS;
      try {
        if (!document.hidden) {
          const { from, to } = boundsOf(range, Date.now() - shift);
          const bounds = range.isLive ? { from, to } : { from: from - shift, to: to - shift };
          const query = new URLSearchParams([...Object.entries(bounds), ...given]);
          const data = await getJson(`/api/v1/dashboard/${path}?${query}`, abort.signal);
          setAnswer({ key, data, error: undefined });
          wait = Math.max(LEAST_EVERY_MS, (data.grid?.resolution ?? 0) / 2);
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        setAnswer((before) => ({ key, data: before.key === key ? before.data : undefined, error }));
        wait = RETRY_MS;
      }
      if (range.isLive && !abort.signal.aborted) timer = setTimeout(ask, wait);
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [key, round]);

  const isCurrent = answer.key === key;
  const data = isCurrent ? answer.data : undefined;
  const error = isCurrent ? answer.error : undefined;
  const reload = () => setRound((before) => before + 1);
  return { data, error, isLoading: data === undefined && error === undefined, reload };
}

/** @param selection { service, operation, instance }; without a service, all services */
export function useHistory(selection = {}) {
  return useRanged('history', selection);
}

/** The same, as far back as the address asks for a comparison; undefined without one. */
export function useComparison(selection) {
  const { compare } = useTimeRange();
  const shift = compare === undefined ? undefined : COMPARISONS[compare].ms;
  const answer = useRanged(shift === undefined ? undefined : 'history', selection, shift);
  return shift === undefined ? undefined : { ...answer, shift, label: COMPARISONS[compare].label };
}

/** The events of the range, newest first. */
export function useEvents() {
  const { data } = useRanged('events', {});
  return data?.events ?? NO_EVENTS;
}

const NO_EVENTS = [];
