// Requests data for a view and repeats the request periodically. The result is loading, data or an error.
import { useCallback, useEffect, useState } from 'preact/hooks';
import { getJson } from './api.js';

/**
 * @param path undefined: no request is sent
 * @param every milliseconds between requests while the page is visible; 0: no repetition
 * @param isPaused whether the data stays as it is
 * @returns { data, error, isLoading, reload }; `data` keeps its value during a repeated request
 */
export function useAnswer(path, every = 0, isPaused = false) {
  const [answer, setAnswer] = useState({ path, data: undefined, error: undefined });
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((before) => before + 1), []);

  useEffect(() => {
    const isKnown = answer.path === path && answer.data !== undefined;
    if (path === undefined || (isPaused && isKnown)) return undefined;
    const abort = new AbortController();
    let timer;
    const ask = async () => {
      try {
        const data = document.hidden && every > 0 ? undefined : await getJson(path, abort.signal);
        if (data !== undefined) setAnswer({ path, data, error: undefined });
      } catch (error) {
        if (abort.signal.aborted) return;
        setAnswer((before) => ({ path, data: before.path === path ? before.data : undefined, error }));
      }
      if (every > 0 && !isPaused && !abort.signal.aborted) timer = setTimeout(ask, every);
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [path, every, round, isPaused]);

  const isCurrent = answer.path === path;
  const data = isCurrent ? answer.data : undefined;
  const error = isCurrent ? answer.error : undefined;
  return { data, error, isLoading: path !== undefined && data === undefined && error === undefined, reload };
}
