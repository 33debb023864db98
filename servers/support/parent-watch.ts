/**
 * Ends an instance whose orchestrator has died. The instance serves for a grace period, so that the next orchestrator
 * can find and adopt it. If none starts in that time, the instance shuts down gracefully.
 */
import { startTimer, type Clock, type Timer } from '../../src/index.js';

/** Milliseconds between two checks, and milliseconds without an orchestrator before the instance ends. */
const LOOK = 2_000;
const GRACE = 60_000;

export interface ParentWatchOptions {
  /** Resolves to whether an orchestrator answers where this instance expects one. */
  readonly isThere: () => Promise<boolean>;
  /** Called once, if no orchestrator answered during the whole grace period. */
  readonly onGone: () => void;
  readonly clock: Clock;
}

/** Starts the checks. Call it once the parent is gone. Returns a function that stops them. */
export function watchForOrchestrator({ isThere, onGone, clock }: ParentWatchOptions): () => void {
  let seenAt = clock.now();
  let timer: Timer | undefined;
  let isOver = false;
  const look = async (): Promise<void> => {
    if (await isThere()) seenAt = clock.now();
    if (isOver) return;
    if (clock.now() - seenAt >= GRACE) onGone();
    else timer = startTimer(clock, () => void look(), LOOK);
  };
  void look();
  return () => {
    isOver = true;
    timer?.cancel();
  };
}

/** Whether any server answers at the URL of an orchestrator. */
export function answersAt(url: string): Promise<boolean> {
  return fetch(`${url}/livez`, { signal: AbortSignal.timeout(1_000) }).then(
    async (response) => {
      await response.body?.cancel();
      return true;
    },
    () => false,
  );
}
