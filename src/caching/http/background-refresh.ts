/** Validates stale responses after the client has received one (RFC 5861 §3). */
import type { IncomingMessage } from 'node:http';
import { startTimer } from '../../shared/clock.js';
import { runInContextOf } from '../../shared/instrumentation.js';
import { backgroundExchange, serverOf } from './background-exchange.js';
import type { CacheSettings } from './cache-settings.js';
import type { Exchange } from './exchange.js';
import type { AnswerFacts, LoadOutcome } from './forward-options.js';
import type { Load, ResponseSaver } from './response-saver.js';
import type { SingleFlight } from './single-flight.js';
import type { Lookup } from './variants.js';

/** The most concurrent refreshes. Beyond it, stale responses are served without a refresh. */
const MOST_REFRESHES = 64;

/** Milliseconds after which a refresh is aborted. */
const REFRESH_TIMEOUT = 60_000;

/** The conditions and demands of the client do not apply to the refresh. */
const NOT_THE_CLIENTS = {
  'if-none-match': undefined,
  'if-modified-since': undefined,
  'if-match': undefined,
  'if-unmodified-since': undefined,
  'if-range': undefined,
  range: undefined,
  'cache-control': undefined,
  pragma: undefined,
};

/** A refresh in progress, found again when its request passes through the chain. */
export interface RefreshJob {
  readonly load: Load;
  readonly settle: (outcome: LoadOutcome, facts?: AnswerFacts) => void;
}

export class BackgroundRefresh {
  readonly #settings: CacheSettings;
  readonly #saver: ResponseSaver;
  readonly #flights: SingleFlight;
  readonly #jobs = new Map<IncomingMessage, RefreshJob>();
  readonly #cancels = new Set<() => void>();
  #isClosed = false;

  constructor(settings: CacheSettings, saver: ResponseSaver, flights: SingleFlight) {
    this.#settings = settings;
    this.#saver = saver;
    this.#flights = flights;
  }

  /** A request with content cannot run again, because its content has been consumed. */
  canRefresh(req: IncomingMessage): boolean {
    return !this.#isClosed && (req.method === 'GET' || req.method === 'HEAD') && serverOf(req) !== undefined;
  }

  /** The job of this request, returned once. */
  claimed(req: IncomingMessage): RefreshJob | undefined {
    if (this.#jobs.size === 0) return undefined;
    const job = this.#jobs.get(req);
    if (job !== undefined) this.#jobs.delete(req);
    return job;
  }

  /** Starts a refresh, unless one is in progress for the same response, or too many are. */
  start(x: Exchange, lookup: Lookup): void {
    if (this.#cancels.size >= MOST_REFRESHES || !this.#flights.lead(lookup.lockKey)) return;
    this.#settings.counts.refreshes++;
    // It passes through the whole server, and so through code of the application.
    const running = runInContextOf(x.req, () => this.#run(x, lookup));
    running.catch(() => {
      this.#settings.counts.failures++;
      this.#flights.pass(lookup.lockKey);
    });
  }

  /** Aborts every refresh in progress. */
  close(): void {
    this.#isClosed = true;
    for (const cancel of [...this.#cancels]) cancel();
  }

  async #run(x: Exchange, lookup: Lookup): Promise<void> {
    const { lockKey } = lookup;
    const server = serverOf(x.req);
    const claim = server === undefined ? undefined : await this.#saver.claim(lockKey, 0);
    // Another process refreshes it, or has done so.
    if (server === undefined || claim === undefined || this.#isClosed) {
      await claim?.release();
      return this.#flights.stored(lockKey);
    }
    const load = this.#saver.begin(x, lookup, claim);
    let isSettled = false;
    const settle = (outcome: LoadOutcome): void => {
      if (isSettled) return;
      isSettled = true;
      this.#flights[outcome](lockKey);
    };
    const onClose = (): void => {
      timer.cancel();
      this.#cancels.delete(cancel);
      // A middleware before the cache sent the response.
      if (!this.#jobs.delete(exchange.req)) return;
      this.#saver.abandon(load)?.catch(() => this.#settings.counts.failures++);
      settle('handOver');
    };
    const exchange = backgroundExchange(x.req, server, NOT_THE_CLIENTS, onClose);
    const cancel = (): void => void exchange.res.destroy();
    const timer = startTimer(this.#settings.clock, cancel, REFRESH_TIMEOUT);
    this.#cancels.add(cancel);
    this.#jobs.set(exchange.req, { load, settle });
    exchange.start();
  }
}
