/**
 * The rejected clients, with the limit, the route and the time since when. Bounded in number and in time, so that an operator
 * sees what limits do now.
 */
import { wallClock, type Clock, type LimitedRequest } from '../../src/index.js';

/** A series of rejections with less than a minute between them. */
export interface Rejection {
  /** Key of the client, as the limiter identifies it. */
  readonly client: string;
  /** The policy that rejected, or `in flight`. */
  readonly limit: string;
  /** Operation, `GET /api/items/:id`. */
  readonly operation: string;
  readonly status: number;
  readonly count: number;
  /** Epoch milliseconds of the first and of the last one. */
  readonly since: number;
  readonly last: number;
}

/** The name of the limit on requests in flight, which has no policy. */
export const IN_FLIGHT = 'in flight';

/** Milliseconds without a rejection after which a new series begins. */
const PAUSE = 60_000;

/** Milliseconds after which a series is forgotten. */
const MAX_AGE = 900_000;

/** Maximum number of series. Beyond it, the series whose last rejection is oldest is forgotten. */
const MOST = 500;

/** Maximum number of series that are reported. */
const MOST_REPORTED = 20;

type Open = { -readonly [K in keyof Rejection]: Rejection[K] };

export class Rejections {
  readonly #clock: Clock;
  /** The series with the latest rejection last. */
  readonly #series = new Map<string, Open>();
  /** When a limit last began a series. There are few limits, because the code names them. */
  readonly #begunAt = new Map<string, number>();
  #total = 0;

  /** @param clock epoch milliseconds */
  constructor(clock: Clock = wallClock) {
    this.#clock = clock;
  }

  /** Rejections since the start. */
  get total(): number {
    return this.#total;
  }

  /** @returns the series, if this rejection begins one and its limit began none during the last minute */
  note({ key: client, policies, error }: LimitedRequest, operation: string): Rejection | undefined {
    const now = this.#clock.now();
    const limit = policies.length === 0 ? IN_FLIGHT : policies.join(', ');
    const id = JSON.stringify([client, limit, operation]);
    const known = this.#series.get(id);
    this.#series.delete(id);
    this.#total++;
    if (known !== undefined && now - known.last < PAUSE) {
      this.#series.set(id, Object.assign(known, { count: known.count + 1, last: now }));
      return undefined;
    }
    const begun = { client, limit, operation, status: error.status, count: 1, since: now, last: now };
    this.#series.set(id, begun);
    if (this.#series.size > MOST) this.#series.delete(this.#series.keys().next().value!);
    if (now - (this.#begunAt.get(limit) ?? -Infinity) < PAUSE) return undefined;
    this.#begunAt.set(limit, now);
    return begun;
  }

  /** The latest series, those with the latest rejection first. */
  latest(): Rejection[] {
    const oldest = this.#clock.now() - MAX_AGE;
    for (const [id, { last }] of this.#series) {
      if (last > oldest) break;
      this.#series.delete(id);
    }
    return [...this.#series.values()].slice(-MOST_REPORTED).reverse();
  }
}
