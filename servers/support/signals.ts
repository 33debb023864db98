/** Ending a process on SIGTERM and SIGINT: in order the first time, at once the second. */

/**
 * Within this time a second signal is taken for the same one: Ctrl-C reaches the whole foreground group from the
 * terminal, and npm hands it on once more.
 */
const SAME_SIGNAL_MS = 500;

/**
 * @param close ends in order; what it leaves open after settling does not keep the process alive
 * @param exit ends the process; tests watch it instead
 */
export function endOnSignals(
  close: () => Promise<void>,
  exit: (code: number) => void = (code) => process.exit(code),
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
  process.on('SIGINT', onSignal);
}
