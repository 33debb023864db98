/** Compares all scalers on one load, and the engine with HPA at equal cost. */
import type { ScalingPolicy } from '../../../src/scaling/index.js';
import { HPA_TARGET, POLICY } from './comparison.js';
import { BUSIEST, simulate, type FleetShape, type Result, type Scaler } from './fleet-model.js';
import { engine, ENGINE_INTERVAL, fixedFleet, HPA_INTERVAL, oracle, plainHpa, type Bounds } from './scalers.js';

export interface Contest {
  readonly rows: ReadonlyArray<{ readonly name: string; readonly result: Result }>;
  readonly defaults: Result;
  /** HPA every ten seconds with the CPU target at which it costs as much as the engine's defaults. */
  readonly equalHpa: Result;
  readonly verdict: 'better' | 'same' | 'worse';
}

/** CPU targets of HPA, in percent, between which its results are interpolated. */
const TARGETS = [30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90];
/** A smaller difference in seconds over the target counts as none: a share of HPA's, and a number. */
const SAME_SHARE = 0.05;
const SAME_SECONDS = 30;
/** The engine counts at most a thousand instances. */
const MOST = 1000;

/** Runs scalers on one load, from a fleet that fits its first rate. */
export class Track {
  readonly rates: Float64Array;
  readonly shape: FleetShape;
  readonly bounds: Bounds;
  readonly mean: number;
  readonly peak: number;
  readonly #initial: number;
  #curve: readonly Result[] | undefined;

  constructor(rates: Float64Array, shape: FleetShape) {
    this.rates = rates;
    this.shape = shape;
    this.mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    this.peak = rates.reduce((highest, rate) => Math.max(highest, rate), 0);
    this.bounds = { min: 1, max: Math.min(MOST, Math.max(10, 2 * this.#fewest(this.peak))) };
    this.#initial = Math.max(1, this.#atTarget(rates[0]!));
  }

  run(scaler: Scaler, initial = this.#initial): Result {
    return simulate(this.rates, scaler, initial, 0, this.shape);
  }

  runEngine(policy: ScalingPolicy): Result {
    return this.run(engine(policy, this.bounds));
  }

  runHpa(target: number, interval: number): Result {
    return this.run(plainHpa(target, interval, this.bounds));
  }

  runFixedAtMean(): Result {
    return this.run(fixedFleet(), Math.max(1, this.#atTarget(this.mean)));
  }

  runFixedAtPeak(): Result {
    return this.run(fixedFleet(), Math.max(1, this.#fewest(this.peak)));
  }

  runOracle(): Result {
    return this.run(oracle(this.rates, this.shape, this.bounds));
  }

  /** HPA every ten seconds at a number of instance-hours, interpolated between its results for several CPU targets. */
  hpaAt(instanceHours: number): Result {
    this.#curve ??= TARGETS.map((target) => this.runHpa(target, ENGINE_INTERVAL)).sort(
      (a, b) => a.instanceHours - b.instanceHours,
    );
    const curve = this.#curve;
    const found = curve.findIndex((one) => one.instanceHours >= instanceHours);
    const upper = curve[found < 0 ? curve.length - 1 : found]!;
    const lower = curve[found <= 0 ? curve.indexOf(upper) : found - 1]!;
    const width = upper.instanceHours - lower.instanceHours;
    const share = width === 0 ? 0 : (instanceHours - lower.instanceHours) / width;
    const of = (key: keyof Result): number => lower[key] + (upper[key] - lower[key]) * share;
    return { secondsOver: of('secondsOver'), instanceHours: of('instanceHours'), changes: of('changes') };
  }

  #fewest(rate: number): number {
    return Math.ceil(rate / (this.shape.capacity * BUSIEST));
  }

  #atTarget(rate: number): number {
    return Math.ceil((100 * rate) / (this.shape.capacity * HPA_TARGET));
  }
}

export function verdictOf(ours: Result, hpa: Result): Contest['verdict'] {
  const difference = ours.secondsOver - hpa.secondsOver;
  if (Math.abs(difference) <= Math.max(SAME_SECONDS, SAME_SHARE * hpa.secondsOver)) return 'same';
  return difference < 0 ? 'better' : 'worse';
}

/** The engine's defaults beside HPA every ten seconds at the same cost. */
export function duel(track: Track, policy: ScalingPolicy = {}): Pick<Contest, 'defaults' | 'equalHpa' | 'verdict'> {
  const defaults = track.runEngine(policy);
  const equalHpa = track.hpaAt(defaults.instanceHours);
  return { defaults, equalHpa, verdict: verdictOf(defaults, equalHpa) };
}

export function contest(track: Track): Contest {
  const outcome = duel(track);
  const rows: Array<[string, Result]> = [
    ['engine, defaults', outcome.defaults],
    ['engine, documented policy', track.runEngine(POLICY)],
    ['HPA every 15 s', track.runHpa(HPA_TARGET, HPA_INTERVAL)],
    ['HPA every 10 s', track.runHpa(HPA_TARGET, ENGINE_INTERVAL)],
    ['HPA every 10 s, at the cost of the defaults', outcome.equalHpa],
    ['fixed fleet for the mean', track.runFixedAtMean()],
    ['fixed fleet for the peak', track.runFixedAtPeak()],
    ['oracle', track.runOracle()],
  ];
  return { ...outcome, rows: rows.map(([name, result]) => ({ name, result })) };
}

export function contestTable({ rows }: Contest): string {
  return [
    '| scaler | seconds over target | instance-hours | actions |',
    '| --- | ---: | ---: | ---: |',
    ...rows.map(
      ({ name, result: { secondsOver, instanceHours, changes } }) =>
        `| ${name} | ${Math.round(secondsOver)} | ${instanceHours.toFixed(1)} | ${Math.round(changes)} |`,
    ),
  ].join('\n');
}
