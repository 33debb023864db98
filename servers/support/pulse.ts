/**
 * The traffic of a service per time slot, for the control room: requests by route, and calls to other services by peer.
 * It is recorded only while the control room reads it, so otherwise it costs nothing.
 */
import type { AxiosAdapter, AxiosInstance } from 'axios';
import { startTimer, wallClock, type Clock, type DistributedTracer, type Timer } from '../../src/index.js';
import { isAxiosError } from './axios-error.js';
import { newTally, record, recordRequest, type Tally } from './tally.js';

/** Length of a slot in ms. Slots are aligned to the epoch, so that slots of several processes can be added. */
export const SLOT_MS = 2_000;

/** Number of slots kept for a late reader. */
const SLOTS = 15;

/** Recording stops after this time without a reader, in ms. */
const IDLE_MS = 15_000;

/** Maximum number of routes or peers in a slot. Others are counted as `(other)`. */
const MAX_NAMES = 200;
const OTHER = '(other)';

/** The route of the control room's pages, scripts and styles. */
export const PAGES_ROUTE = '/(control room)';

const SYSTEM =
  /^(\/health|\/livez|\/readyz|\/startupz|\/metrics|\/\(control room\)|\/api\/v1\/(system|dashboard)\/.*)$/;

/** A completed slot. */
export interface PulseSlot {
  /** Slot number. The slot began at `slot × SLOT_MS` epoch milliseconds. */
  readonly slot: number;
  /** By operation, `GET /api/items/:id`. */
  readonly requests: Readonly<Record<string, Tally>>;
  /** Calls to other services by service name. A call includes its retries. */
  readonly calls: Readonly<Record<string, Tally>>;
}

interface OpenSlot {
  readonly slot: number;
  readonly requests: Record<string, Tally>;
  readonly calls: Record<string, Tally>;
}

/** Whether a route is not part of the service's work: probes, scrapes, and the routes of the control room. */
export function isSystemRoute(route: string): boolean {
  return SYSTEM.test(route);
}

/** Counts calls to other services. */
export interface CallCounter {
  called(peer: string, duration: number, ok: boolean): void;
}

export class Pulse {
  readonly #tracer: Pick<DistributedTracer, 'onRequest'>;
  readonly #clock: Clock;
  readonly #history: CallCounter | undefined;
  #slots: OpenSlot[] = [];
  #stopListening: (() => void) | undefined;
  #recordingSince = 0;
  #idle: Timer | undefined;

  /**
   * @param clock epoch milliseconds
   * @param history counts every call, whether or not the control room reads
   */
  constructor(tracer: Pick<DistributedTracer, 'onRequest'>, clock: Clock = wallClock, history?: CallCounter) {
    this.#tracer = tracer;
    this.#clock = clock;
    this.#history = history;
  }

  get isRecording(): boolean {
    return this.#stopListening !== undefined;
  }

  /** The completed slots after `since`, oldest first, including empty slots. The first call starts the recording. */
  read(since: number): PulseSlot[] {
    this.#stopListening ??= this.#begin();
    this.#idle?.cancel();
    this.#idle = startTimer(this.#clock, () => this.close(), IDLE_MS);
    const current = this.#currentSlot();
    const first = Math.max(since + 1, this.#recordingSince + 1, current - SLOTS);
    const known = new Map(this.#slots.map((one) => [one.slot, one]));
    return Array.from(
      { length: Math.max(0, current - first) },
      (_, i) => known.get(first + i) ?? { slot: first + i, requests: {}, calls: {} },
    );
  }

  /** Counts a call to another service. `duration` is in milliseconds. */
  called(peer: string, duration: number, ok: boolean): void {
    this.#history?.called(peer, duration, ok);
    if (this.isRecording) record(tallyOf(this.#open().calls, peer), duration, ok);
  }

  /** Counts the calls of a client. The duration includes retries and waits, as the caller experiences it. */
  observe(peer: string, client: AxiosInstance): void {
    const send = client.defaults.adapter as AxiosAdapter;
    client.defaults.adapter = async (config) => {
      if (isSystemRoute(config.url ?? '')) return send(config);
      const begun = performance.now();
      const ended = (ok: boolean): void => this.called(peer, performance.now() - begun, ok);
      try {
        const response = await send(config);
        ended(true);
        return response;
      } catch (error) {
        ended(isAxiosError(error) && (error.response?.status ?? 500) < 500);
        throw error;
      }
    };
  }

  /** Stops the recording. The next `read` starts it again. Idempotent. */
  close(): void {
    this.#idle?.cancel();
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#slots = [];
  }

  #begin(): () => void {
    this.#recordingSince = this.#currentSlot();
    return this.#tracer.onRequest((request) => {
      const { method, route } = request;
      if (!isSystemRoute(route)) recordRequest(tallyOf(this.#open().requests, `${method} ${route}`), request);
    });
  }

  #currentSlot(): number {
    return Math.floor(this.#clock.now() / SLOT_MS);
  }

  #open(): OpenSlot {
    const slot = this.#currentSlot();
    const last = this.#slots.at(-1);
    if (last?.slot === slot) return last;
    const opened = { slot, requests: byName(), calls: byName() };
    this.#slots.push(opened);
    if (this.#slots.length > SLOTS) this.#slots.shift();
    return opened;
  }
}

/** Without a prototype, so that a route named like a member of Object is only a key. */
function byName(): Record<string, Tally> {
  return Object.create(null) as Record<string, Tally>;
}

function tallyOf(tallies: Record<string, Tally>, name: string): Tally {
  const known = tallies[name];
  if (known !== undefined) return known;
  const key = Object.keys(tallies).length < MAX_NAMES ? name : OTHER;
  return (tallies[key] ??= newTally());
}
