/**
 * The moment at which a listening socket is closed. The system resets the connections that it has completed and the
 * process has not accepted yet, and with them the requests that may have arrived on them. Node accepts everything that
 * waits once per turn of the event loop, so the risk is the rest of one turn.
 */
import type { EventEmitter } from 'node:events';

/** Milliseconds: what a turn may take in which nothing happens. */
const QUIET = 0.1;
/** A server that is never quiet is closed after this number of turns. */
const MAX_TURNS = 500;

/**
 * Calls `close` in a turn of the event loop that was short and in which the server accepted no connection; at the latest
 * after 500 turns.
 *
 * @returns a function that cancels the call
 */
export function inQuietTurn(server: EventEmitter, close: () => void): () => void {
  let turns = 0;
  let hasAccepted = false;
  let before = performance.now();
  const onConnection = (): void => {
    hasAccepted = true;
  };
  const cancel = (): void => {
    clearImmediate(next);
    server.removeListener('connection', onConnection);
  };
  // Runs right after the phase in which Node accepts connections.
  const look = (): void => {
    const now = performance.now();
    const isQuiet = !hasAccepted && now - before < QUIET;
    if (isQuiet || ++turns >= MAX_TURNS) {
      cancel();
      return close();
    }
    hasAccepted = false;
    before = now;
    next = setImmediate(look);
  };
  server.on('connection', onConnection);
  let next = setImmediate(look);
  return cancel;
}
