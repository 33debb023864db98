/** Ten seconds, or one minute, of one instance: its requests, its calls, and the state of its engines. */
import { merge, newTally, type Tally } from '../support/tally.js';

/** Lengths of the recorded steps in milliseconds. Steps are aligned to the epoch. */
export const STEP_MS = 10_000;
export const MINUTE_MS = 60_000;

/** Maximum number of operations, and of called services, in a step. Others are counted as `(other)`. */
const MOST_NAMES = 60;
export const OTHER = '(other)';

/** Three bins of a live tally are one bin here, so that a step stays small. Percentiles are within 3 %. */
const COARSENESS = 3;

/** A limit on requests in flight, by its key. */
export interface SlotLevels {
  readonly limit: number;
  readonly inFlight: number;
  readonly waiting: number;
}

/** The size of a service as the orchestrator sees it, in instances. */
export interface ServiceSize {
  readonly ready: number;
  readonly total: number;
  readonly desired: number | null;
  readonly load: number | null;
  readonly forecast: number | null;
}

/** Increase of the engines' counters during the step. */
export interface Counts {
  /** Decisions of the rate limit, and rejections for too many requests in flight. */
  readonly allowed: number;
  readonly rejected: number;
  readonly rejectedInFlight: number;
  /** Lookups of the response cache. */
  readonly hits: number;
  readonly lookups: number;
}

/** The state at the end of the step. */
export interface Levels {
  /** Share of one core, and share of the time that the event loop was busy. */
  readonly cpu: number;
  readonly loop: number;
  /** Bytes. */
  readonly rss: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly slots: Readonly<Record<string, SlotLevels>>;
  /** Only of the orchestrator. */
  readonly fleet?: Readonly<Record<string, ServiceSize>>;
}

export interface Step {
  /** Epoch milliseconds of its start. */
  readonly at: number;
  readonly instance: string;
  /** By operation, `GET /api/items/:id`. */
  readonly requests: Readonly<Record<string, Tally>>;
  /** By the name of the called service. */
  readonly calls: Readonly<Record<string, Tally>>;
  readonly counts: Counts;
  readonly levels: Levels;
}

export type Tallies = Record<string, Tally>;

/** Without a prototype, so that a route named like a member of Object is only a key. */
export function newTallies(): Tallies {
  return Object.create(null) as Tallies;
}

export function tallyIn(tallies: Tallies, name: string): Tally {
  const known = tallies[name];
  if (known !== undefined) return known;
  const key = Object.keys(tallies).length < MOST_NAMES ? name : OTHER;
  return (tallies[key] ??= newTally());
}

export function mergeTallies(into: Tallies, other: Readonly<Record<string, Tally>>): void {
  for (const [name, tally] of Object.entries(other)) merge(tallyIn(into, name), tally);
}

/** The same tallies with fewer bins. */
export function coarsened(tallies: Readonly<Tallies>): Tallies {
  const coarse = newTallies();
  for (const [name, tally] of Object.entries(tallies)) {
    const bins: Record<number, number> = {};
    for (const [bin, count] of Object.entries(tally.bins)) {
      const wide = Math.round(Number(bin) / COARSENESS) * COARSENESS;
      bins[wide] = (bins[wide] ?? 0) + count;
    }
    coarse[name] = { ...tally, bins };
  }
  return coarse;
}

export const NO_COUNTS: Counts = { allowed: 0, rejected: 0, rejectedInFlight: 0, hits: 0, lookups: 0 };

export function addCounts(a: Counts, b: Counts): Counts {
  return {
    allowed: a.allowed + b.allowed,
    rejected: a.rejected + b.rejected,
    rejectedInFlight: a.rejectedInFlight + b.rejectedInFlight,
    hits: a.hits + b.hits,
    lookups: a.lookups + b.lookups,
  };
}

/** Increase of the counters since an earlier reading. */
export function growthOf(now: Counts, before: Counts): Counts {
  const grown = (name: keyof Counts): number => Math.max(0, now[name] - before[name]);
  return {
    allowed: grown('allowed'),
    rejected: grown('rejected'),
    rejectedInFlight: grown('rejectedInFlight'),
    hits: grown('hits'),
    lookups: grown('lookups'),
  };
}
