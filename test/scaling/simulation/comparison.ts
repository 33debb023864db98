/** Runs the simulation and prints it as the table of docs/scaling.md. */
import type { ScalingPolicy } from '../../../src/scaling/index.js';
import { simulate, type Result, type Scaler } from './fleet-model.js';
import { engine, fixedFleet, plainHpa } from './scalers.js';
import { DAY, WORKLOADS, type Workload } from './workloads.js';

/** Days before the measured one, from which the forecast learns. */
const DAYS_BEFORE = 3;
/** Seeds of the table. */
export const SEEDS = 4;
const INITIAL = 5;

/**
 * Only CPU, like the plain rules. The thresholds are close to the target, because the window of five minutes prevents
 * flapping. The forecast orders instances in time, which is cheaper than the spare ones that a tolerance keeps running.
 */
export const POLICY: ScalingPolicy = {
  cpu: { target: 66.5, up: 71, down: 66 },
  queueDepth: false,
  p99: false,
};
/** CPU target of the plain rules in percent: the middle of the band that this kit recommends. */
export const HPA_TARGET = 65;

export interface Comparison {
  readonly workload: Pick<Workload, 'name' | 'predictable'>;
  readonly engine: Result;
  readonly hpa: Result;
  /** As many instances as the engine had on average, rounded up. */
  readonly fixed: Result;
  /** The seeds on which the engine was slow for longer than the plain rules, or cost more. */
  readonly worseOn: readonly number[];
}

function mean(results: readonly Result[]): Result {
  const of = (key: keyof Result): number => results.reduce((sum, result) => sum + result[key], 0) / results.length;
  return { secondsOver: of('secondsOver'), instanceHours: of('instanceHours'), changes: of('changes') };
}

/** Compares the scalers on the seeds from 1 on. */
function compare(workload: Workload, seeds: number): Comparison {
  const from = DAYS_BEFORE * DAY;
  const runs = Array.from({ length: seeds }, (_, i) => {
    const seed = i + 1;
    const rates = workload.rates(DAYS_BEFORE + 1, seed);
    const run = (scaler: Scaler, initial = INITIAL): Result => simulate(rates, scaler, initial, from);
    const ours = run(engine(POLICY));
    const hpa = run(plainHpa(HPA_TARGET));
    return { seed, ours, hpa, fixed: run(fixedFleet(), Math.ceil(ours.instanceHours / 24)) };
  });
  return {
    workload: { name: workload.name, predictable: workload.predictable },
    engine: mean(runs.map(({ ours }) => ours)),
    hpa: mean(runs.map(({ hpa }) => hpa)),
    fixed: mean(runs.map(({ fixed }) => fixed)),
    worseOn: runs
      .filter(({ ours, hpa }) => ours.secondsOver > hpa.secondsOver || ours.instanceHours > hpa.instanceHours)
      .map(({ seed }) => seed),
  };
}

export function compareAll(seeds: number): Comparison[] {
  return WORKLOADS.map((workload) => compare(workload, seeds));
}

const cell = ({ secondsOver, instanceHours }: Result): string =>
  `${Math.round(secondsOver)} s, ${instanceHours.toFixed(1)} h`;

export function table(comparisons: readonly Comparison[]): string {
  return [
    '| a day of | this engine | plain HPA rules | fixed fleet |',
    '| --- | --- | --- | --- |',
    ...comparisons.map(
      ({ workload, engine: ours, hpa, fixed }) =>
        `| ${workload.name} | ${cell(ours)} | ${cell(hpa)} | ${cell(fixed)} |`,
    ),
  ].join('\n');
}
