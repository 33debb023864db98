/** Watches one instance: decides when it is checked, and combines several checks to a status. */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import { describeValue, propertyOf } from '../shared/user-value.js';
import type { CheckOutcome } from './http-check.js';

/** Of an instance, or of a service by its instances. */
export type HealthStatus = 'unknown' | 'healthy' | 'degraded' | 'unhealthy';

/** The instance that is checked. */
export interface CheckTarget {
  readonly service: string;
  /** 'host:port' */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** What the built-in check requests. */
  readonly url: string;
}

/** The current health of one instance. */
export interface InstanceHealth {
  /** 'host:port' */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly status: HealthStatus;
  /** Milliseconds the latest check took; undefined before the first. */
  readonly latency: number | undefined;
  /** When the latest check ended, by the monitor's clock; undefined before the first. */
  readonly lastCheck: number | undefined;
  /** Why the latest check failed. */
  readonly error?: string;
}

/** One finished check. */
export interface CheckRecord {
  /** 'host:port' */
  readonly id: string;
  readonly time: number;
  readonly ok: boolean;
  readonly latency: number;
  readonly error?: string;
}

export interface WatchSettings {
  readonly checkInterval: number;
  /** The interval while the verdict is open: before the first one, and between a first failure or pass and the next verdict. */
  readonly fastInterval: number;
  readonly timeout: number;
  /** Passes in a row that make an unhealthy instance healthy. */
  readonly rise: number;
  /** Consecutive failures that make it unhealthy; a single response that reports draining is enough. */
  readonly fall: number;
}

export interface WatchDependencies {
  readonly check: (target: CheckTarget, signal: AbortSignal) => Promise<CheckOutcome>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onCheck: (watch: InstanceWatch, record: CheckRecord) => void;
  readonly onChange: (watch: InstanceWatch, previous: HealthStatus) => void;
}

/** Intervals vary by a tenth, so that instances registered together are not checked together for ever. */
const JITTER = 0.1;

/** Most concurrent checks of one instance: a lost one, and another attempt. */
const MAX_OUT = 2;

const OUTCOMES: readonly unknown[] = ['healthy', 'degraded', 'unhealthy'] satisfies readonly CheckOutcome['status'][];

/** A check of the user that answers in other words has failed. */
function known(outcome: CheckOutcome): CheckOutcome {
  const status = propertyOf(outcome, 'status');
  if (OUTCOMES.includes(status)) return outcome;
  return { status: 'unhealthy', error: `the check answered with status ${describeValue(status, 100)}` };
}

export class InstanceWatch {
  readonly target: CheckTarget;
  readonly #settings: WatchSettings;
  readonly #with: WatchDependencies;
  #status: HealthStatus = 'unknown';
  #passes = 0;
  #failures = 0;
  #last: CheckRecord | undefined;
  #timer: Timer | undefined;
  #running: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #isStopped = false;
  /** Checks that have not returned: one that ignores its signal does not prevent the next one. */
  #out = 0;

  /** @param previous the watch it replaces: its verdict stays until there is a new one */
  constructor(target: CheckTarget, settings: WatchSettings, dependencies: WatchDependencies, previous?: InstanceWatch) {
    this.target = target;
    this.#settings = settings;
    this.#with = dependencies;
    if (previous !== undefined) {
      this.#status = previous.#status;
      this.#last = previous.#last;
    }
  }

  get status(): HealthStatus {
    return this.#status;
  }

  get health(): InstanceHealth {
    const { id, host, port } = this.target;
    return {
      id,
      host,
      port,
      status: this.#status,
      latency: this.#last?.latency,
      lastCheck: this.#last?.time,
      ...(this.#last?.error !== undefined && { error: this.#last.error }),
    };
  }

  /** Checks now, or joins the running check. Settles when it has ended; never rejects. */
  checkNow(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    if (this.#running !== undefined) return this.#running.done;
    this.#timer?.cancel();
    const abort = new AbortController();
    const done = this.#check(abort).then(() => {
      this.#running = undefined;
      this.#schedule();
    });
    this.#running = { abort, done };
    return done;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#running?.abort.abort();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { checkInterval, fastInterval } = this.#settings;
    const isOpen = this.#status === 'unknown' || (this.#isUp ? this.#failures > 0 : this.#passes > 0);
    const interval = isOpen ? Math.min(fastInterval, checkInterval) : checkInterval;
    const delay = interval * (1 + JITTER * (2 * this.#with.random() - 1));
    this.#timer = startTimer(this.#with.clock, () => void this.checkNow(), delay);
  }

  get #isUp(): boolean {
    return this.#status === 'healthy' || this.#status === 'degraded';
  }

  async #check(abort: AbortController): Promise<void> {
    const { clock } = this.#with;
    const started = clock.now();
    const outcome = await this.#ask(abort);
    if (this.#isStopped) return;
    const now = clock.now();
    this.#last = {
      id: this.target.id,
      time: now,
      ok: outcome.status !== 'unhealthy',
      latency: now - started,
      ...(outcome.error !== undefined && { error: outcome.error }),
    };
    const previous = this.#status;
    this.#judge(outcome);
    this.#with.onCheck(this, this.#last);
    if (this.#status !== previous) this.#with.onChange(this, previous);
  }

  /** The outcome, within the timeout even when the check does not heed its signal. */
  #ask(abort: AbortController): Promise<CheckOutcome> {
    if (this.#out >= MAX_OUT)
      return Promise.resolve({ status: 'unhealthy', error: 'the checks before have not returned' });
    return new Promise((resolve) => {
      const { timeout } = this.#settings;
      const deadline = startTimer(this.#with.clock, () => abort.abort(), timeout);
      abort.signal.addEventListener('abort', () => {
        deadline.cancel();
        resolve({ status: 'unhealthy', error: `no answer within ${timeout} ms` });
      });
      this.#out++;
      void this.#callCheck(abort.signal).then((outcome) => {
        this.#out--;
        deadline.cancel();
        resolve(outcome);
      });
    });
  }

  async #callCheck(signal: AbortSignal): Promise<CheckOutcome> {
    try {
      return known(await this.#with.check(this.target, signal));
    } catch (error) {
      return { status: 'unhealthy', error: messageOf(error) };
    }
  }

  #judge(outcome: CheckOutcome): void {
    if (outcome.status === 'unhealthy') {
      this.#passes = 0;
      this.#failures++;
      if (outcome.isLeaving === true || this.#failures >= this.#settings.fall) this.#status = 'unhealthy';
      return;
    }
    this.#failures = 0;
    this.#passes++;
    // An instance that was not judged before is healthy after its first pass.
    const needed = this.#status === 'unhealthy' ? this.#settings.rise : 1;
    if (this.#passes >= needed) this.#status = outcome.status;
  }
}
