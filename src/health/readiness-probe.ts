/**
 * The probes of one service. Start-up gates the rest. Liveness concerns this process only; readiness may check
 * dependencies. Probes run on demand, all at once, and not again while a result is fresh.
 */
import { monotonicClock, sleep, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { boolean, checkOptions, checkValue, clock, func, milliseconds, positive, string } from '../shared/options.js';
import { hasPassed, reportOn, type ProbeReport } from './probe-report.js';
import { Probe, type ProbeFunction, type ProbeKind, type ProbeOptions } from './probe.js';

/** The default deadline and interval of probes. */
export interface ReadinessProbeOptions {
  /** `timeout` of probes that name none. Default 1000 ms. */
  readonly timeout?: number;
  /** `interval` of probes that name none. Default 1000 ms. */
  readonly interval?: number;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** The kind of question; 'all' also waits for the probes that are not critical. */
export type ProbeScope = 'startup' | 'liveness' | 'readiness' | 'all';

/** The kinds of probes that run after start-up. A dead process is not ready either, so readiness includes liveness. */
const KINDS: Readonly<Record<ProbeScope, readonly ProbeKind[]>> = {
  startup: [],
  liveness: ['liveness'],
  readiness: ['liveness', 'readiness', 'resource'],
  all: ['liveness', 'readiness', 'resource'],
};

/** How often `waitForReady` looks again; probes still keep to their own interval. */
const WAIT_PERIOD = 100;

/**
 * Holds the probes and evaluates them.
 *
 * A probe that misses its deadline has failed, and its signal aborts. The next round runs it again; at most two runs of
 * one probe are in progress.
 *
 * @throws TypeError or RangeError for a wrong option
 *
 * @example
 * import { eventLoopProbe, poolProbe, ReadinessProbe } from '@tooloo/resilience';
 *
 * const probes = new ReadinessProbe();
 * probes.registerReadinessProbe('database', poolProbe(pool));
 * probes.registerResourceProbe('event loop', eventLoopProbe());
 */
export class ReadinessProbe {
  readonly #timeout: number;
  readonly #interval: number;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #probes: readonly Probe[] = [];
  #draining = false;

  constructor(options?: ReadinessProbeOptions) {
    const checked = checkOptions('ReadinessProbe', options, { timeout: positive, interval: milliseconds, clock });
    this.#timeout = checked.timeout ?? 1000;
    this.#interval = checked.interval ?? 1000;
    this.#clock = checked.clock ?? monotonicClock;
  }

  /**
   * Until it has passed once, no other probe runs and the service is not ready. Returns a function that unregisters it.
   */
  registerStartupProbe(name: string, probe: ProbeFunction, options?: ProbeOptions): () => void {
    return this.#register('startup', name, probe, options);
  }

  /** Fails: no traffic for now. The place for dependencies. Returns what unregisters it. */
  registerReadinessProbe(name: string, probe: ProbeFunction, options?: ProbeOptions): () => void {
    return this.#register('readiness', name, probe, options);
  }

  /**
   * If it fails, the process must be restarted. Never check a dependency here. Returns a function that unregisters it.
   */
  registerLivenessProbe(name: string, probe: ProbeFunction, options?: ProbeOptions): () => void {
    return this.#register('liveness', name, probe, options);
  }

  /** Watches memory, disk, event loop: a warning by default; `critical` makes it gate traffic. Returns what unregisters it. */
  registerResourceProbe(name: string, probe: ProbeFunction, options?: ProbeOptions): () => void {
    return this.#register('resource', name, probe, options);
  }

  /** Whether `startDraining` was called. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Reports not ready from now on, regardless of the probes, because the service is about to stop. */
  startDraining(): void {
    this.#draining = true;
  }

  /** Runs what is due for the question, waits for the critical answers ('all': for every answer), and reports. */
  async check(scope: ProbeScope = 'all'): Promise<ProbeReport> {
    const starting = this.#refresh(['startup'], scope === 'all');
    if (starting.length > 0) await Promise.all(starting);
    if (reportOn(this.#probes, false).started) {
      const running = this.#refresh(KINDS[scope], scope === 'all');
      if (running.length > 0) await Promise.all(running);
    }
    return reportOn(this.#probes, this.#draining);
  }

  /**
   * The current results of all probes, or of those with this name. Starts the probes that are due, but does not wait
   * for them. A name without a probe is not ready.
   */
  getProbeStatus(name?: string): ProbeReport {
    void this.check();
    return this.#report(name);
  }

  /**
   * Settles with the report once ready: the whole service, or the probes of that name.
   *
   * @param timeout milliseconds, 30 000 by default
   * @throws ResilienceError NOT_READY naming the probes that do not pass, or SHUTTING_DOWN when draining or closed
   */
  async waitForReady(name?: string, timeout = 30_000): Promise<ProbeReport> {
    checkValue('ReadinessProbe.waitForReady: timeout', timeout, milliseconds);
    const deadline = this.#clock.now() + timeout;
    for (;;) {
      const left = deadline - this.#clock.now();
      const pause = this.#pause(Math.min(WAIT_PERIOD, left));
      await Promise.race([this.check(), pause.over]); // a slow probe must not hold the deadline up
      const report = this.#report(name);
      const failure = report.ready ? undefined : this.#whyStopWaiting(name, timeout, left);
      if (report.ready || failure !== undefined) {
        pause.cancel();
        if (failure !== undefined) throw failure;
        return report;
      }
      await pause.over;
    }
  }

  /** Ends every probe and every wait. Idempotent. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    for (const probe of this.#probes) probe.close();
  }

  destroy(): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #register(kind: ProbeKind, name: string, call: ProbeFunction, options: ProbeOptions | undefined): () => void {
    const who = `ReadinessProbe: ${kind} probe`;
    checkValue(`${who}: name`, name, string);
    checkValue(`${who} '${name}'`, call, func);
    const { timeout, interval, critical } = checkOptions<ProbeOptions>(`${who} '${name}'`, options, {
      timeout: positive,
      interval: milliseconds,
      critical: boolean,
    });
    if (this.#probes.some((probe) => probe.kind === kind && probe.name === name)) {
      throw new TypeError(`${who} '${name}': there is one of this name already`);
    }
    const settings = {
      timeout: timeout ?? this.#timeout,
      interval: interval ?? this.#interval,
      critical: critical ?? kind !== 'resource',
    };
    const probe = new Probe(name, kind, call, settings, this.#clock);
    this.#probes = [...this.#probes, probe];
    return () => {
      if (!this.#probes.includes(probe)) return;
      this.#probes = this.#probes.filter((other) => other !== probe);
      probe.close();
    };
  }

  /** A wait that keeps the process alive, and ends early when cancelled or closed. */
  #pause(delay: number): { readonly over: Promise<void>; cancel(): void } {
    const cancelling = new AbortController();
    const signal = AbortSignal.any([cancelling.signal, this.#closing.signal]);
    const over = sleep(this.#clock, Math.max(0, delay), signal, true).catch(() => undefined);
    return { over, cancel: () => cancelling.abort() };
  }

  /** Starts what is due; returns the answers to wait for. */
  #refresh(kinds: readonly ProbeKind[], waitForAll: boolean): Array<Promise<void>> {
    const awaited: Array<Promise<void>> = [];
    if (this.#closing.signal.aborted) return awaited;
    for (const probe of this.#probes) {
      if (!kinds.includes(probe.kind)) continue;
      const answer = probe.refresh();
      if (answer !== undefined && (probe.critical || waitForAll)) awaited.push(answer);
    }
    return awaited;
  }

  #report(name: string | undefined): ProbeReport {
    if (name === undefined) return reportOn(this.#probes, this.#draining);
    const named = this.#probes.filter((probe) => probe.name === name);
    const report = reportOn(named, this.#draining);
    return named.length > 0 ? report : { ...report, ready: false, status: 'fail' };
  }

  #whyStopWaiting(name: string | undefined, timeout: number, left: number): ResilienceError | undefined {
    if (this.#draining || this.#closing.signal.aborted) {
      return new ResilienceError('SHUTTING_DOWN', 'ReadinessProbe: shutting down, will not become ready');
    }
    if (left > 0) return undefined;
    const asked = this.#probes.filter((probe) => name === undefined || probe.name === name);
    const failing = asked.filter((probe) => probe.critical && !hasPassed(probe));
    const list = failing.map(({ kind, name, result }) => `${kind} '${name}' ${result.status}`).join(', ');
    const what = list || `nothing is registered as '${name}'`;
    return new ResilienceError('NOT_READY', `ReadinessProbe: not ready after ${timeout} ms: ${what}`);
  }
}
