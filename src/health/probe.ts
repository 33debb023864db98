/** One probe: a function of the user that is run under a deadline, never beside itself, and whose answer is kept a while. */
import { startTimer, wallClock, type Clock } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';

/** What a probe is asked for: whether start-up is over, traffic may come, the process must be restarted, room is left. */
export type ProbeKind = 'startup' | 'readiness' | 'liveness' | 'resource';

/** As in the health+json format (draft-inadarei-api-health-check §3.1); `unknown` until the first answer. */
export type CheckStatus = 'unknown' | 'pass' | 'warn' | 'fail';

/** What a probe may answer beyond yes or no. */
export interface ProbeAnswer {
  readonly status?: 'pass' | 'warn' | 'fail';
  /** What it measured, with its unit ('ms', 'bytes', '%'). */
  readonly observedValue?: number | string;
  readonly observedUnit?: string;
  /** A sentence for the operator. */
  readonly output?: string;
}

/**
 * Passes by returning nothing, true or an answer; fails by returning false or an answer that says so, by throwing or
 * by missing its deadline, when `signal` aborts. One that holds something may carry a `close`, called with the probes'.
 */
export interface ProbeFunction {
  (signal: AbortSignal): unknown;
  close?(): void;
}

/** How long the probe may take, how often it runs, and whether its failure is the whole service's. */
export interface ProbeOptions {
  /** Milliseconds until a probe that has not answered fails. Default 1000. */
  readonly timeout?: number;
  /** Milliseconds its answer is kept: it never runs more often. Default 1000. */
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

type Outcome = Required<Pick<ProbeAnswer, 'status'>> & ProbeAnswer;

/** `overdue`: the deadline has passed and the function still runs; it has failed and is not started beside itself. */
type Run =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly verdict: Promise<void> }
  | { readonly kind: 'overdue' };

const MAX_OUTPUT = 500;

function toOutcome(answer: unknown): Outcome {
  if (answer === false) return { status: 'fail' };
  if (typeof answer !== 'object' || answer === null) return { status: 'pass' };
  const { status = 'pass', observedValue, observedUnit, output } = answer as ProbeAnswer;
  return {
    status: status === 'fail' || status === 'warn' ? status : 'pass',
    ...(observedValue !== undefined && { observedValue }),
    ...(observedUnit !== undefined && { observedUnit }),
    ...(output !== undefined && { output: String(output).slice(0, MAX_OUTPUT) }),
  };
}

export class Probe {
  readonly name: string;
  readonly kind: ProbeKind;
  readonly critical: boolean;
  readonly #call: ProbeFunction;
  readonly #timeout: number;
  readonly #interval: number;
  readonly #clock: Clock;
  #run: Run = { kind: 'idle' };
  #abort: AbortController | undefined;
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

  /** Start-up happens once: a start-up probe that has passed is not asked again. */
  get passedStartup(): boolean {
    return this.kind === 'startup' && (this.#result.status === 'pass' || this.#result.status === 'warn');
  }

  /** Runs the probe if its answer has aged. Settles, never rejects, when there is an answer or the deadline passed. */
  refresh(): Promise<void> | undefined {
    switch (this.#run.kind) {
      case 'running':
        return this.#run.verdict;
      case 'overdue':
        return undefined;
      case 'idle':
        if (this.passedStartup || this.#clock.now() - this.#lastEnd < this.#interval) return undefined;
        return this.#start();
    }
  }

  close(): void {
    this.#abort?.abort(new Error(`probe ${this.name} was closed`));
    this.#call.close?.();
  }

  #start(): Promise<void> {
    const started = this.#clock.now();
    const abort = new AbortController();
    this.#abort = abort;
    const verdict = new Promise<void>((resolve) => {
      const giveUp = (reason: string): void => {
        if (this.#run.kind !== 'running') return;
        this.#record({ status: 'fail', output: reason }, started);
        this.#run = { kind: 'overdue' };
        resolve();
      };
      const deadline = startTimer(
        this.#clock,
        () => {
          giveUp(`no answer within ${this.#timeout} ms`);
          abort.abort(new Error(`probe ${this.name}: no answer within ${this.#timeout} ms`));
        },
        this.#timeout,
      );
      abort.signal.addEventListener('abort', () => {
        deadline.cancel();
        giveUp('closed');
      });
      void this.#ask(abort.signal).then((outcome) => {
        deadline.cancel();
        if (this.#run.kind === 'running') this.#record(outcome, started); // after the deadline it is too late
        this.#run = { kind: 'idle' };
        resolve();
      });
    });
    this.#run = { kind: 'running', verdict };
    return verdict;
  }

  async #ask(signal: AbortSignal): Promise<Outcome> {
    try {
      return toOutcome(await this.#call(signal));
    } catch (error) {
      return { status: 'fail', output: messageOf(error).slice(0, MAX_OUTPUT) };
    }
  }

  #record(outcome: Outcome, started: number): void {
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
