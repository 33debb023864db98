/**
 * Ends a process on SIGTERM, SIGINT and SIGHUP (closed terminal): gracefully on the first signal, at once on the
 * second.
 */

/**
 * A signal that follows within this time counts as the same one. Ctrl-C reaches the whole foreground group from the
 * terminal, and npm forwards it again.
 */
const SAME_SIGNAL_MS = 500;

/**
 * @param close shuts down gracefully. What it leaves open does not keep the process alive.
 * @param exit ends the process. Tests replace it.
 * @param isDetached whether the process continues without its terminal.
 * @param isWorker whether to ignore the signals of the terminal, because the primary process ends its workers.
 */
export function endOnSignals(
  close: () => Promise<void>,
  exit: (code: number) => void = (code) => process.exit(code),
  isDetached = false,
  isWorker = false,
): void {
  let closingSince: number | undefined;
  const onSignal = (): void => {
    const now = performance.now();
    if (closingSince === undefined) {
      closingSince = now;
      close().then(
        () => exit(0),
        () => exit(1),
      );
    } else if (now - closingSince > SAME_SIGNAL_MS) exit(1);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', isWorker ? () => {} : onSignal);
  process.on('SIGHUP', isDetached || isWorker ? () => {} : onSignal);
}
