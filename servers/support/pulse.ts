/**
 * What a service did in each of the last seconds, for the control room: requests by route, calls to other services by
 * peer. Recorded only while somebody asks for it; a service nobody watches pays nothing.
 */
import { isAxiosError, type AxiosAdapter, type AxiosInstance } from 'axios';
import { startTimer, wallClock, type Clock, type DistributedTracer, type Timer } from '../../src/index.js';
import { newTally, record, type Tally } from './tally.js';

/** Length of a slot in ms. Slots lie on the epoch's grid, so that those of several processes can be added up. */
export const SLOT_MS = 2_000;

/** Slots kept for whoever asks late. */
const SLOTS = 15;

/** Nobody asked for so long: recording ends. In ms. */
const IDLE_MS = 15_000;

/** Routes or peers of one slot; the others are counted as `(other)`. */
const MAX_NAMES = 200;
const OTHER = '(other)';

const SYSTEM = /^(\/health|\/livez|\/readyz|\/startupz|\/metrics|\/api\/v1\/(system|dashboard)\/.*)$/;

/** A slot that is over. */
export interface PulseSlot {
  /** Its number: it began at `slot × SLOT_MS` of the epoch. */
  readonly slot: number;
  /** By operation, `GET /api/items/:id`. */
  readonly requests: Readonly<Record<string, Tally>>;
  /** Calls made to other services, by their names, each with its retries. */
  readonly calls: Readonly<Record<string, Tally>>;
}

interface OpenSlot {
  readonly slot: number;
  readonly requests: Record<string, Tally>;
  readonly calls: Record<string, Tally>;
}

/** Whether a route is not what a service is for: probes, scrapes, and the routes the control room itself asks. */
export function isSystemRoute(route: string): boolean {
  return SYSTEM.test(route);
}

export class Pulse {
  readonly #tracer: Pick<DistributedTracer, 'onRequest'>;
  readonly #clock: Clock;
  #slots: OpenSlot[] = [];
  #stopListening: (() => void) | undefined;
  #recordingSince = 0;
  #idle: Timer | undefined;

  /** @param clock epoch milliseconds */
  constructor(tracer: Pick<DistributedTracer, 'onRequest'>, clock: Clock = wallClock) {
    this.#tracer = tracer;
    this.#clock = clock;
  }

  get isRecording(): boolean {
    return this.#stopListening !== undefined;
  }

  /**
   * The slots after `since` that are over, the oldest first; those in which nothing happened are there, empty. The first
   * call begins the recording.
   */
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

  /** Counts a call to another service. `duration` is milliseconds. */
  called(peer: string, duration: number, ok: boolean): void {
    if (this.isRecording) record(tallyOf(this.#open().calls, peer), duration, ok);
  }

  /** Counts the calls a client makes, retries and waits included: what its caller waits for. */
  observe(peer: string, client: AxiosInstance): void {
    const send = client.defaults.adapter as AxiosAdapter;
    client.defaults.adapter = async (config) => {
      if (!this.isRecording || isSystemRoute(config.url ?? '')) return send(config);
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

  /** Ends the recording; another `read` begins it anew. Idempotent. */
  close(): void {
    this.#idle?.cancel();
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#slots = [];
  }

  #begin(): () => void {
    this.#recordingSince = this.#currentSlot();
    return this.#tracer.onRequest(({ method, route, status, duration, traceId }) => {
      if (isSystemRoute(route)) return;
      const ok = status !== undefined && status < 500;
      record(tallyOf(this.#open().requests, `${method} ${route}`), duration, ok, traceId);
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

/** Without a prototype: whatever a route is called is a name and nothing else. */
function byName(): Record<string, Tally> {
  return Object.create(null) as Record<string, Tally>;
}

function tallyOf(tallies: Record<string, Tally>, name: string): Tally {
  const known = tallies[name];
  if (known !== undefined) return known;
  const key = Object.keys(tallies).length < MAX_NAMES ? name : OTHER;
  return (tallies[key] ??= newTally());
}
