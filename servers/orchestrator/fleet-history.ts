/** What the orchestrator adds to its history: the size of each service, and what was done to the instances. */
import type {
  AutoScalingDecisionEngine,
  Clock,
  HorizontalScalingManager,
  ScalingEvent,
  ScalingRecord,
} from '../../src/index.js';
import type { History } from '../history/history.js';
import type { EventKind } from '../history/history-store.js';
import type { ServiceSize } from '../history/step.js';

const KINDS: Readonly<Record<ScalingEvent, EventKind>> = {
  START: 'start',
  STOP: 'scale',
  RESTART: 'restart',
  SCALE_UP: 'scale',
  SCALE_DOWN: 'scale',
  MIGRATE: 'restart',
  ADOPT: 'start',
  CRASH: 'crash',
  CRASH_LOOP: 'crash',
};

/** Records that are looked through for new ones, every ten seconds. */
const MOST_NEW = 100;

class FleetHistory {
  readonly #manager: HorizontalScalingManager;
  readonly #engine: AutoScalingDecisionEngine;
  #notedUntil: number;

  /** @param now epoch milliseconds: earlier records were noted by an earlier orchestrator */
  constructor(manager: HorizontalScalingManager, engine: AutoScalingDecisionEngine, now: number) {
    this.#manager = manager;
    this.#engine = engine;
    this.#notedUntil = now;
  }

  sizes(): Record<string, ServiceSize> {
    return Object.fromEntries(this.#manager.services.map((service) => [service, this.#sizeOf(service)]));
  }

  /** Notes what was done to the instances since the last call. */
  noteRecords(history: Pick<History, 'note'>): void {
    const recent = this.#manager.getScalingHistory({ limit: MOST_NEW }).filter(({ at }) => at > this.#notedUntil);
    for (const record of [...recent].reverse()) {
      const { at, service, event, instances } = record;
      history.note(KINDS[event], textOf(record), { at, service, instance: instances.join(', ') });
      this.#notedUntil = Math.max(this.#notedUntil, at);
    }
  }

  #sizeOf(service: string): ServiceSize {
    const details = this.#manager.getInstanceDetails(service);
    const decision = this.#engine.explain(service);
    return {
      ready: details.filter(({ state }) => state === 'ready').length,
      total: details.length,
      desired: decision?.desired ?? null,
      load: decision?.forecast?.current ?? null,
      forecast: decision?.forecast?.load ?? null,
    };
  }
}

/** The sizes for each step of the history. Changes of the instances are noted with them. */
export function recordSizes(
  manager: HorizontalScalingManager,
  engine: AutoScalingDecisionEngine,
  history: Pick<History, 'note'>,
  clock: Pick<Clock, 'now'>,
): () => Record<string, ServiceSize> {
  const fleet = new FleetHistory(manager, engine, clock.now());
  return () => {
    fleet.noteRecords(history);
    return fleet.sizes();
  };
}

/** One line that says what was done, and why. */
export function textOf({ event, from, to, outcome, reason, error }: ScalingRecord): string {
  const what = event.toLowerCase().replaceAll('_', ' ');
  const size = from === to ? '' : ` ${from} → ${to}`;
  const result = outcome === 'done' ? '' : `, ${outcome}`;
  return `${what}${size}${result}${reason === null ? '' : ` (${reason})`}${error === null ? '' : `: ${error}`}`;
}
