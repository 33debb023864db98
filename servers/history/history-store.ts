/** Stores the history of a service in a database of its own, bounded in time and in bytes. */
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Kysely, Transaction } from 'kysely';
import type { TraceView } from '../../src/index.js';
import { MINUTE_MS, STEP_MS, type Step } from './step.js';
import type { HistorySchema } from './schema.js';

/** Something that may explain a change in the charts. */
export interface HistoryEvent {
  readonly at: number;
  readonly kind: EventKind;
  readonly service: string;
  readonly instance: string;
  readonly text: string;
}

export type EventKind = 'start' | 'deploy' | 'scale' | 'restart' | 'crash' | 'purge' | 'circuit' | 'limit' | 'policy';

/** A trace as the archive lists it. */
export interface ArchivedTrace {
  readonly traceId: string;
  readonly instance: string;
  readonly at: number;
  readonly summary: string;
  readonly trace: TraceView;
}

export interface Batch {
  readonly steps: ReadonlyArray<{ readonly span: number; readonly step: Step }>;
  readonly events: readonly HistoryEvent[];
  readonly traces: readonly ArchivedTrace[];
}

const DAY_MS = 86_400_000;

/** How long steps of each length are kept, and their share of the bytes. The rest is for events and indexes. */
const SPANS = [
  { span: STEP_MS, retention: DAY_MS, share: 0.3 },
  { span: MINUTE_MS, retention: 7 * DAY_MS, share: 0.3 },
] as const;

/** Events and traces are kept for as many milliseconds. */
export const RETENTION = 7 * DAY_MS;

const SHARE_OF_TRACES = 0.2;

/** Steps that are read at once. In between, the service answers other requests. */
const STEPS_AT_ONCE = 100;

const MOST_EVENTS = 5_000;

/** Larger traces are not archived, in compressed bytes. */
const LARGEST_TRACE = 32 * 1024;

const HOUR_MS = 3_600_000;

function packed(value: object): Uint8Array {
  return deflateRawSync(JSON.stringify(value), { level: 6 });
}

function unpacked<T>(data: Uint8Array): T {
  return JSON.parse(inflateRawSync(data).toString()) as T;
}

export class HistoryStore {
  readonly #db: Kysely<HistorySchema>;
  readonly #maxBytes: number;
  readonly #process = randomBytes(6).toString('hex');

  /** @param maxBytes of the compressed rows */
  constructor(db: Kysely<HistorySchema>, maxBytes: number) {
    this.#db = db;
    this.#maxBytes = maxBytes;
  }

  async write({ steps, events, traces }: Batch): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      for (const { span, step } of steps) await this.#writeStep(tx, span, step);
      for (const event of events) await tx.insertInto('history_events').values(event).execute();
      for (const trace of traces) await this.#writeTrace(tx, trace);
    });
  }

  /** The steps that begin in the range, oldest first. */
  async *steps(span: number, from: number, to: number): AsyncGenerator<Step> {
    for (let at = from; at < to; at += STEPS_AT_ONCE * span) {
      const rows = await this.#db
        .selectFrom('history_steps')
        .select('data')
        .where('span', '=', span)
        .where('at', '>=', at)
        .where('at', '<', Math.min(to, at + STEPS_AT_ONCE * span))
        .orderBy('at')
        .execute();
      for (const { data } of rows) yield unpacked<Step>(data);
      await setImmediate();
    }
  }

  /** The events of the range, newest first. */
  async events(from: number, to: number, limit: number): Promise<HistoryEvent[]> {
    return this.#db
      .selectFrom('history_events')
      .select(['at', 'kind', 'service', 'instance', 'text'])
      .where('at', '>=', from)
      .where('at', '<', to)
      .orderBy('at', 'desc')
      .limit(limit)
      .$castTo<HistoryEvent>()
      .execute();
  }

  /** The text of the last start or deployment. */
  async lastStart(): Promise<string | undefined> {
    const last = await this.#db
      .selectFrom('history_events')
      .select('text')
      .where('kind', 'in', ['start', 'deploy'])
      .orderBy('at', 'desc')
      .limit(1)
      .executeTakeFirst();
    return last?.text;
  }

  /** Summaries of archived traces that began in the range, newest first. */
  async traceSummaries(from: number, to: number, limit: number): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('history_traces')
      .select('summary')
      .where('at', '>=', from)
      .where('at', '<=', to)
      .orderBy('at', 'desc')
      .limit(limit)
      .execute();
    return rows.map(({ summary }) => summary);
  }

  /** The archived parts of a trace, one per instance. */
  async traceParts(traceId: string): Promise<TraceView[]> {
    const rows = await this.#db.selectFrom('history_traces').select('data').where('trace_id', '=', traceId).execute();
    return rows.map(({ data }) => unpacked<TraceView>(data));
  }

  /** Which of these traces are archived. */
  async archived(traceIds: readonly string[]): Promise<string[]> {
    if (traceIds.length === 0) return [];
    const rows = await this.#db
      .selectFrom('history_traces')
      .select('trace_id')
      .distinct()
      .where('trace_id', 'in', traceIds)
      .execute();
    return rows.map(({ trace_id: id }) => id);
  }

  /** Removes what is too old or too much. */
  async tidy(now: number): Promise<void> {
    for (const { span, retention, share } of SPANS) {
      await this.#db
        .deleteFrom('history_steps')
        .where('span', '=', span)
        .where('at', '<', now - retention)
        .execute();
      await this.#boundSteps(span, this.#maxBytes * share);
    }
    await this.#db
      .deleteFrom('history_traces')
      .where('at', '<', now - RETENTION)
      .execute();
    await this.#boundTraces();
    await this.#boundEvents(now);
  }

  async #writeStep(tx: Transaction<HistorySchema>, span: number, step: Step): Promise<void> {
    const data = packed(step);
    const row = { span, at: step.at, instance: step.instance, process: this.#process, size: data.length, data };
    await tx
      .insertInto('history_steps')
      .values(row)
      .onConflict((oc) => oc.columns(['span', 'at', 'instance', 'process']).doUpdateSet({ size: data.length, data }))
      .execute();
  }

  async #writeTrace(tx: Transaction<HistorySchema>, trace: ArchivedTrace): Promise<void> {
    const data = packed(trace.trace);
    if (data.length > LARGEST_TRACE) return;
    const { traceId: trace_id, instance, at, summary } = trace;
    await tx
      .insertInto('history_traces')
      .values({ trace_id, instance, at, summary, size: data.length + summary.length, data })
      .onConflict((oc) => oc.columns(['trace_id', 'instance']).doNothing())
      .execute();
  }

  /** Removes the oldest tenth of the time for as long as the steps are too large. */
  async #boundSteps(span: number, largest: number): Promise<void> {
    for (;;) {
      const { fn } = this.#db;
      const { bytes, first, last } = await this.#db
        .selectFrom('history_steps')
        .select([fn.sum<number | null>('size').as('bytes'), fn.min('at').as('first'), fn.max('at').as('last')])
        .where('span', '=', span)
        .executeTakeFirstOrThrow();
      if (Number(bytes ?? 0) <= largest) return;
      const until = Number(first) + Math.max(span, (Number(last) - Number(first)) / 10);
      await this.#db.deleteFrom('history_steps').where('span', '=', span).where('at', '<', until).execute();
    }
  }

  /** Thins out the hour that holds most, so that a burst of errors does not remove earlier ones. */
  async #boundTraces(): Promise<void> {
    const largest = this.#maxBytes * SHARE_OF_TRACES;
    for (;;) {
      const rows = await this.#db
        .selectFrom('history_traces')
        .select(['trace_id', 'at', 'size'])
        .orderBy('at')
        .execute();
      if (rows.reduce((sum, { size }) => sum + size, 0) <= largest) return;
      const hours = new Map<number, typeof rows>();
      for (const row of rows) {
        const hour = Math.floor(Number(row.at) / HOUR_MS);
        hours.set(hour, [...(hours.get(hour) ?? []), row]);
      }
      const fullest = [...hours.values()].reduce((most, one) => (one.length > most.length ? one : most));
      const surplus = fullest.filter((_, i) => i % 2 === 1 || fullest.length === 1).map(({ trace_id: id }) => id);
      await this.#db.deleteFrom('history_traces').where('trace_id', 'in', surplus).execute();
    }
  }

  async #boundEvents(now: number): Promise<void> {
    await this.#db
      .deleteFrom('history_events')
      .where('at', '<', now - RETENTION)
      .execute();
    const newest = await this.#db
      .selectFrom('history_events')
      .select('at')
      .orderBy('at', 'desc')
      .offset(MOST_EVENTS)
      .limit(1)
      .executeTakeFirst();
    if (newest !== undefined) await this.#db.deleteFrom('history_events').where('at', '<=', newest.at).execute();
  }
}
