/** One probe: a user's function that runs under a deadline and whose result is cached for a while. */
import { startTimer, wallClock, type Clock } from '../shared/clock.js';
import { describeValue } from '../shared/user-value.js';
import { judgeAnswer, MAX_OUTPUT, type ProbeOutcome } from './probe-answer.js';

export { type ProbeAnswer } from './probe-answer.js';

/**
 * The purpose of a probe: whether start-up is complete, traffic may come, the process must be restarted, or resources
 * are left.
 */
export type ProbeKind = 'startup' | 'readiness' | 'liveness' | 'resource';

/** As in the health+json format (draft-inadarei-api-health-check §3.1); `unknown` until the first answer. */
export type CheckStatus = 'unknown' | 'pass' | 'warn' | 'fail';

/**
 * Passes by returning nothing, true or an answer that reports success. Fails by returning false, an Error or any other
 * answer, by throwing, or by missing its deadline, at which `signal` aborts. A probe that holds resources may have a
 * `close`, which is called when the probes are closed.
 *
 * @example
 * import { ReadinessProbe, type ProbeFunction } from '@tooloo/resilience';
 *
 * const pingRedis: ProbeFunction = async () => (await redis.ping()) === 'PONG';
 * new ReadinessProbe().registerReadinessProbe('redis', pingRedis);
 */
export interface ProbeFunction {
  (signal: AbortSignal): unknown;
  close?(): void;
}

/** How long the probe may take, how often it runs, and whether its failure is the whole service's. */
export interface ProbeOptions {
  /** Milliseconds until a probe that has not answered fails. Default 1000. */
  readonly timeout?: number;
  /** Milliseconds that its result is cached: it never runs more often. Default 1000. */
  readonly interval?: number;
  /** Whether its failure makes the service not ready (or dead); if not, it is a warning. Default true, resources false. */
  readonly critical?: boolean;
}

/** The latest answer of one probe. */
export interface ProbeResult {
  readonly name: string;
  readonly kind: ProbeKind;
  readonly critical: boolean;
  readonly status: CheckStatus;
  readonly observedValue?: number | string;
  readonly observedUnit?: string;
  readonly output?: string;
  /** Milliseconds the latest run took. */
  readonly duration?: number;
  /** When it ended: ISO 8601. */
  readonly time?: string;
}

/** A run of the function; `verdict` settles with its answer, or at its deadline. */
interface Run {
  readonly verdict: Promise<void>;
  isOverdue: boolean;
}

/** Most concurrent runs of one probe: a lost one, and another attempt. */
const MAX_RUNS = 2;

export class Probe {
  readonly name: string;
  readonly kind: ProbeKind;
  readonly critical: boolean;
  readonly #call: ProbeFunction;
  readonly #timeout: number;
  readonly #interval: number;
  readonly #clock: Clock;
  readonly #runs = new Set<Run>();
  readonly #aborts = new Set<AbortController>();
  #result: ProbeResult;
  #lastEnd = -Infinity;

  constructor(name: string, kind: ProbeKind, call: ProbeFunction, options: Required<ProbeOptions>, clock: Clock) {
    this.name = name;
    this.kind = kind;
    this.critical = options.critical;
    this.#call = call;
    this.#timeout = options.timeout;
    this.#interval = options.interval;
    this.#clock = clock;
    this.#result = { name, kind, critical: options.critical, status: 'unknown' };
  }

  get result(): ProbeResult {
    return this.#result;
  }

  /** Start-up happens once: a start-up probe that has passed does not run again. */
  get passedStartup(): boolean {
    return this.kind === 'startup' && (this.#result.status === 'pass' || this.#result.status === 'warn');
  }

  /**
   * Runs the probe if its answer is too old. Settles when there is an answer or the deadline has passed, and never
   * rejects. A run that misses its deadline is not awaited: the next call starts another run beside it.
   */
  refresh(): Promise<void> | undefined {
    for (const run of this.#runs) if (!run.isOverdue) return run.verdict;
    if (this.#runs.size >= MAX_RUNS || this.passedStartup) return undefined;
    return this.#clock.now() - this.#lastEnd < this.#interval ? undefined : this.#start();
  }

  close(): void {
    for (const abort of this.#aborts) abort.abort(new Error(`probe ${this.name} was closed`));
    this.#call.close?.();
  }

  #start(): Promise<void> {
    const started = this.#clock.now();
    const abort = new AbortController();
    this.#aborts.add(abort);
    let settle!: () => void;
    const run: Run = { verdict: new Promise((resolve) => (settle = resolve)), isOverdue: false };
    this.#runs.add(run);
    const conclude = (outcome: ProbeOutcome): void => {
      if (run.isOverdue) return; // too late: its failure is recorded
      deadline.cancel();
      this.#record(outcome, started);
      settle();
    };
    const giveUp = (reason: string): void => {
      conclude({ status: 'fail', output: reason });
      run.isOverdue = true;
      abort.abort(new Error(`probe ${this.name}: ${reason}`));
    };
    // A caller awaits the result, and no other handle may keep the process alive until then.
    const deadline = startTimer(this.#clock, () => giveUp(`no answer within ${this.#timeout} ms`), this.#timeout, true);
    abort.signal.addEventListener('abort', () => giveUp('closed'), { once: true });
    void this.#ask(abort.signal).then((outcome) => {
      conclude(outcome);
      this.#runs.delete(run);
      this.#aborts.delete(abort);
    });
    return run.verdict;
  }

  async #ask(signal: AbortSignal): Promise<ProbeOutcome> {
    try {
      return judgeAnswer(await this.#call(signal));
    } catch (error) {
      return { status: 'fail', output: describeValue(error, MAX_OUTPUT) };
    }
  }

  #record(outcome: ProbeOutcome, started: number): void {
    this.#lastEnd = this.#clock.now();
    this.#result = {
      name: this.name,
      kind: this.kind,
      critical: this.critical,
      ...outcome,
      duration: this.#lastEnd - started,
      time: new Date(wallClock.now()).toISOString(),
    };
  }
}
