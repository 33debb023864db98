/**
 * Records the history of an instance, always: every ten seconds one step, and every minute one. The database is opened
 * with the first step. A failure to write loses the step and nothing else.
 */
import { startTimer, type Clock, type DistributedTracer, type RequestEnd, type Timer } from '../../src/index.js';
import type { Logger } from '../support/logger.js';
import { isSystemRoute } from '../support/pulse.js';
import { record, recordRequest } from '../support/tally.js';
import type { ArchivedTrace, Batch, EventKind, HistoryEvent, HistoryStore } from './history-store.js';
import { ProcessMeter } from './process-meter.js';
import {
  addCounts,
  coarsened,
  growthOf,
  mergeTallies,
  MINUTE_MS,
  newTallies,
  NO_COUNTS,
  STEP_MS,
  tallyIn,
  type Counts,
  type Levels,
  type Step,
  type Tallies,
} from './step.js';

/** What the engines of the service count and hold now. */
export interface EngineReading {
  readonly counts: Counts;
  readonly levels: Omit<Levels, 'cpu' | 'loop' | 'rss'>;
}

export interface RecorderParts {
  readonly service: string;
  readonly instance: string;
  readonly tracer: Pick<DistributedTracer, 'onRequest' | 'getTrace'>;
  /** Epoch milliseconds. */
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
  readonly open: () => Promise<HistoryStore>;
}

/** Requests per minute whose trace is archived: those that failed or took long. */
const MOST_ARCHIVED = 10;
const SLOW_MS = 1000;

/** Events that wait to be written. */
const MOST_WAITING = 200;

const TIDY_MS = 600_000;

const IDLE: EngineReading = { counts: NO_COUNTS, levels: { inFlight: 0, waiting: 0, slots: {} } };

/** Routes that change how a service behaves. */
const CHANGES = /\/(policy|settings)(\/|$)/;

function startOfStep(now: number): number {
  return now - (now % STEP_MS);
}

function minuteOf(at: number): number {
  return at - (at % MINUTE_MS);
}

/** The step or minute that is being recorded. */
class Slice {
  readonly requests: Tallies = newTallies();
  readonly calls: Tallies = newTallies();
  counts: Counts = NO_COUNTS;
}

export class HistoryRecorder {
  readonly #parts: RecorderParts;
  readonly #meter = new ProcessMeter();
  readonly #stopListening: () => void;
  #timer: Timer;
  /** Epoch milliseconds at which the current step began. */
  #stepAt: number;
  #step = new Slice();
  #minute = new Slice();
  #lastCounts: Counts = NO_COUNTS;
  #engines: () => EngineReading = () => IDLE;
  #events: HistoryEvent[] = [];
  #notable: string[] = [];
  #archivedThisMinute = 0;
  #tidiedAt = 0;
  #store: Promise<HistoryStore> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isFailing = false;
  #isClosed = false;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
    this.#stepAt = startOfStep(parts.clock.now());
    this.#stopListening = parts.tracer.onRequest((request) => this.#served(request));
    this.#timer = this.#schedule();
  }

  /** Records the figures of these engines from now on. */
  follow(engines: () => EngineReading): void {
    this.#engines = engines;
  }

  /** Opens the database if it is not open yet. */
  store(): Promise<HistoryStore> {
    this.#store ??= this.#parts.open().catch((error: unknown) => {
      this.#store = undefined;
      throw error;
    });
    return this.#store;
  }

  /** Notes an event, to be drawn on the charts. */
  note(kind: EventKind, text: string, about: Partial<Pick<HistoryEvent, 'at' | 'service' | 'instance'>> = {}): void {
    const { service, instance, clock } = this.#parts;
    this.#events.push({ at: clock.now(), kind, service, instance, text, ...about });
    if (this.#events.length > MOST_WAITING) this.#events.shift();
  }

  /** Counts a call to another service. `duration` is in milliseconds. */
  called(peer: string, duration: number, ok: boolean): void {
    record(tallyIn(this.#step.calls, peer), duration, ok);
  }

  /** Writes what was recorded so far, if the database is open. Call it while the engines are open. Idempotent. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#timer.cancel();
    if (this.#store !== undefined && !this.#isClosed) this.#flush(true);
    this.#isClosed = true;
    await this.#writing;
  }

  #served(request: RequestEnd): void {
    const { method, route, status, duration, kept, traceId } = request;
    if (isSystemRoute(route)) return;
    recordRequest(tallyIn(this.#step.requests, `${method} ${route}`), request);
    if (method !== 'GET' && CHANGES.test(route) && status !== undefined && status < 300)
      this.note('policy', `${method} ${route}`);
    const isNotable = kept && (status === undefined || status >= 500 || duration >= SLOW_MS);
    if (!isNotable || this.#archivedThisMinute >= MOST_ARCHIVED) return;
    this.#archivedThisMinute++;
    this.#notable.push(traceId);
  }

  #schedule(): Timer {
    const now = this.#parts.clock.now();
    const delay = STEP_MS - (now % STEP_MS);
    return startTimer(
      this.#parts.clock,
      () => {
        // A timer may be early by a millisecond, and late on a busy machine: the step has its own time.
        if (this.#parts.clock.now() >= this.#stepAt + STEP_MS) this.#flush();
        this.#timer = this.#schedule();
      },
      delay,
    );
  }

  #flush(isLast = false): void {
    try {
      const batch = this.#take(isLast);
      this.#writing = this.#writing.then(() => this.#write(batch)).catch((err: unknown) => this.#failed(err));
    } catch (err) {
      this.#failed(err); // an engine could not be read
    }
  }

  #take(isLast: boolean): Batch {
    const at = this.#stepAt;
    this.#stepAt = startOfStep(this.#parts.clock.now());
    const { counts, levels } = this.#engines();
    const slice = this.#step;
    slice.counts = growthOf(counts, this.#lastCounts);
    this.#lastCounts = counts;
    this.#step = new Slice();
    const minute = this.#minute;
    mergeTallies(minute.requests, slice.requests);
    mergeTallies(minute.calls, slice.calls);
    minute.counts = addCounts(minute.counts, slice.counts);
    const state = { ...levels, ...this.#meter.read() };
    const steps = [{ span: STEP_MS, step: this.#stepOf(at, slice, state) }];
    if (isLast || minuteOf(this.#stepAt) !== minuteOf(at)) {
      steps.push({ span: MINUTE_MS, step: this.#stepOf(minuteOf(at), minute, state) });
      this.#minute = new Slice();
      this.#archivedThisMinute = 0;
    }
    const events = this.#events.splice(0);
    return { steps, events, traces: this.#archived(this.#notable.splice(0)) };
  }

  #stepOf(at: number, { requests, calls, counts }: Slice, levels: Levels): Step {
    const { instance } = this.#parts;
    return { at, instance, requests: coarsened(requests), calls: coarsened(calls), counts, levels };
  }

  #archived(traceIds: readonly string[]): ArchivedTrace[] {
    return traceIds.flatMap((traceId) => {
      const trace = this.#parts.tracer.getTrace(traceId);
      if (trace === undefined) return [];
      const { spans, logs: _, tags, droppedSpans: __, ...rest } = trace;
      const [route, statusCode] = [tags['http.route'], tags['http.response.status_code']];
      const summary = JSON.stringify({ ...rest, spans: spans.length, route, statusCode });
      return [{ traceId, instance: this.#parts.instance, at: Math.round(trace.startTime), summary, trace }];
    });
  }

  async #write(batch: Batch): Promise<void> {
    const store = await this.store();
    await store.write(batch);
    this.#isFailing = false;
    const now = this.#parts.clock.now();
    if (now - this.#tidiedAt < TIDY_MS) return;
    this.#tidiedAt = now;
    await store.tidy(now);
  }

  /** One message per outage: a full disk must not fill the log too. */
  #failed(err: unknown): void {
    if (!this.#isFailing) this.#parts.log.warn({ err }, 'the history could not be written');
    this.#isFailing = true;
  }
}
