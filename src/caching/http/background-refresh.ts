/** Validating stale responses after the client has been answered (RFC 5861 §3). */
import type { IncomingMessage } from 'node:http';
import { startTimer } from '../../shared/clock.js';
import { backgroundExchange, serverOf } from './background-exchange.js';
import type { CacheSettings, Exchange } from './cache-settings.js';
import type { LoadOutcome } from './forwarding.js';
import type { Load, ResponseSaver } from './response-saver.js';
import type { SingleFlight } from './single-flight.js';
import type { Lookup } from './variants.js';

/** At one time; beyond it stale responses are served without being refreshed. */
const MOST_REFRESHES = 64;

/** Milliseconds after which a refresh is given up. */
const REFRESH_TIMEOUT = 60_000;

/** The client's conditions and demands are not the refresh's. */
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

/** A refresh under way, met again when its request comes through the chain. */
export interface RefreshJob {
  readonly load: Load;
  readonly settle: (outcome: LoadOutcome) => void;
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

  canRefresh(req: IncomingMessage): boolean {
    return !this.#isClosed && serverOf(req) !== undefined;
  }

  /** The job whose request this is, once. */
  claimed(req: IncomingMessage): RefreshJob | undefined {
    if (this.#jobs.size === 0) return undefined;
    const job = this.#jobs.get(req);
    if (job !== undefined) this.#jobs.delete(req);
    return job;
  }

  /** Starts a refresh, unless one is under way for the same response, or too many are. */
  start(x: Exchange, lookup: Lookup): void {
    if (this.#cancels.size >= MOST_REFRESHES || !this.#flights.lead(lookup.lockKey)) return;
    this.#settings.counts.refreshes++;
    this.#run(x, lookup).catch(() => {
      this.#settings.counts.failures++;
      this.#flights.pass(lookup.lockKey);
    });
  }

  /** Gives up every refresh under way. */
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
    const load = this.#saver.begin(x.key, lookup, claim);
    let isSettled = false;
    const settle = (outcome: LoadOutcome): void => {
      if (isSettled) return;
      isSettled = true;
      this.#flights[outcome](lockKey);
    };
    const onClose = (): void => {
      timer.cancel();
      this.#cancels.delete(cancel);
      // Something before the cache answered it.
      if (!this.#jobs.delete(exchange.req)) return;
      this.#saver.abandon(load).catch(() => this.#settings.counts.failures++);
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
