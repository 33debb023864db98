/** Decides whether an instance is frozen, and not just slow: the evidence for one instance. */
import type { Instance } from './instance.js';
import type { Target } from './target.js';

/**
 * Checks whether an instance that is suspected of being frozen responds at all.
 *
 * @returns a function that cancels the probe
 */
export type LivenessProbe = (target: Target, onResult: (isAlive: boolean) => void) => () => void;

interface Probe {
  /** The silence for which it was sent. */
  readonly silentSince: number;
  readonly sentAt: number;
  /** Undefined while there is no response. */
  isAlive: boolean | undefined;
  cancel: () => void;
}

export class StallDetector {
  #probe: Probe | undefined;

  /**
   * Whether the instance has been silent for longer than its slowest responses explain, and a probe sent half-way has
   * no response either.
   *
   * @param stallTimeout milliseconds of silence that are never too long
   * @param probe undefined: the silence alone decides
   * @param onAlive called when a probe is answered
   */
  isFrozen(
    instance: Instance,
    stallTimeout: number,
    now: number,
    probe: LivenessProbe | undefined,
    onAlive: () => void,
  ): boolean {
    const limit = Math.max(stallTimeout, 1.5 * instance.slowestAnswer(now));
    const silence = instance.silence(now);
    if (probe === undefined) return silence >= limit;
    if (silence < limit / 2) return false;
    const asked = this.#ask(instance, probe, now, limit / 2, onAlive);
    return silence >= limit && asked.isAlive !== true && now - asked.sentAt >= limit / 2;
  }

  close(): void {
    this.#probe?.cancel();
  }

  /** The probe for this silence, sent again if the last response is old. A probe without a response stays open. */
  #ask(instance: Instance, probe: LivenessProbe, now: number, interval: number, onAlive: () => void): Probe {
    const { silentSince } = instance;
    const last = this.#probe;
    const isOld = last?.isAlive === true && now - last.sentAt >= interval;
    if (last?.silentSince === silentSince && !isOld) return last;
    this.#probe?.cancel();
    const asked: Probe = { silentSince, sentAt: now, isAlive: undefined, cancel: () => undefined };
    this.#probe = asked;
    asked.cancel = probe(instance.target, (isAlive) => {
      asked.isAlive = isAlive;
      if (isAlive && this.#probe === asked) onAlive();
    });
    return asked;
  }
}
