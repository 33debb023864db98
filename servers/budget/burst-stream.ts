/**
 * One streamed burst: the events of the winning provider, with their cost booked while they arrive. The calls end when
 * the answer is complete, at the deadline, or some time after the client left. The ledger is settled in each case.
 */
import { randomUUID } from 'node:crypto';
import type { Response } from 'express';
import { ResilienceError, startTimer, type Clock, type Timer } from '../../src/index.js';
import { ReplayChannel } from '../support/replay-channel.js';
import type { Admission, BurstRequest } from './admission.js';
import { Booking } from './booking.js';
import { noGoodAnswer, type BurstResult } from './burst.js';
import type { CallLog } from './call-log.js';
import type { Ledger } from './ledger.js';
import type { ProviderClient } from './provider-client.js';
import { raceStreams, type StreamRaceEnd } from './stream-race.js';

export interface StreamLimits {
  /** Maximum time without a part of the answer, in ms. */
  readonly timeoutMs: number;
  /** Maximum time for the whole answer, in ms. */
  readonly deadlineMs: number;
  /** Time for which the calls continue after the client left, in ms. */
  readonly resumeMs: number;
}

export interface StreamParts {
  readonly ledger: Ledger;
  readonly calls: CallLog;
  /** Epoch milliseconds, and timers. */
  readonly clock: Clock;
  /** Called with errors of the database, which the client does not see. */
  readonly onError: (error: unknown) => void;
}

export class BurstStream {
  readonly #channel = new ReplayChannel(randomUUID(), (subscribers) => this.#counted(subscribers));
  readonly #abandoned = new AbortController();
  readonly #deadline: Timer;
  #grace: Timer | undefined;
  #winner: ProviderClient | undefined;
  /** Why the calls were cancelled. */
  #reason: ResilienceError | undefined;

  /** The answer; undefined if all calls failed. Resolves when the ledger is settled and all events are sent. */
  readonly ended: Promise<BurstResult | undefined>;

  constructor(
    private readonly admission: Admission,
    private readonly request: BurstRequest,
    private readonly limits: StreamLimits,
    private readonly parts: StreamParts,
  ) {
    const { deadlineMs } = limits;
    const late = (): void => this.abandon(new ResilienceError('UPSTREAM_TIMEOUT', `not complete in ${deadlineMs} ms`));
    this.#deadline = startTimer(parts.clock, late, deadlineMs);
    this.#channel.send('start', { asked: this.#asked, cached: false });
    this.ended = this.#run();
  }

  get id(): string {
    return this.#channel.id;
  }

  /** Number of characters of all events. */
  get size(): number {
    return this.#channel.size;
  }

  /** Subscribes a client to the events after the given number. Returns false if there are too many clients. */
  subscribe(res: Response, after = -1): boolean {
    return this.#channel.subscribe(res, after);
  }

  /** Cancels all calls. The stream ends with the reason. Idempotent. */
  abandon(reason: ResilienceError): void {
    this.#reason ??= reason;
    this.#abandoned.abort(reason);
  }

  get #asked(): string[] {
    return this.admission.clients.map(({ provider }) => provider.id);
  }

  /** Without any client, the calls continue only for a short time, in which the client can resume. */
  #counted(subscribers: number): void {
    this.#grace?.cancel();
    if (subscribers > 0) return;
    const { resumeMs } = this.limits;
    const leave = (): void => this.abandon(new ResilienceError('CLIENT_CLOSED_REQUEST', 'the client left'));
    if (resumeMs === 0) leave();
    else this.#grace = startTimer(this.parts.clock, leave, resumeMs);
  }

  async #run(): Promise<BurstResult | undefined> {
    const { ledger, calls, clock, onError } = this.parts;
    const { clients, reservation } = this.admission;
    const booking = new Booking({ ledger, reservation, now: () => clock.now(), onError });
    const end = await raceStreams({
      clients,
      request: this.request,
      timeoutMs: this.limits.timeoutMs,
      calls,
      signal: this.#abandoned.signal,
      onText: (winner, text) => this.#pass(winner, text),
      onCost: (micros) => booking.grow(micros),
    });
    await booking.settle(end.costMicros).catch(onError);
    this.#deadline.cancel();
    const result = this.#finish(end);
    this.#channel.end();
    this.#grace?.cancel();
    return result;
  }

  #pass(winner: ProviderClient, text: string): void {
    if (this.#winner === undefined) {
      this.#winner = winner;
      this.#channel.send('winner', { provider: winner.provider.id, model: winner.provider.model });
    }
    this.#channel.send('delta', { text });
  }

  #finish({ won, reasons }: StreamRaceEnd): BurstResult | undefined {
    if (won?.answer.outcome === 'success') {
      const { text, latencyMs, costMicros, inputTokens, outputTokens } = won.answer;
      const { id: provider, model } = won.winner.provider;
      const summary = { provider, model, cost: costMicros / 1_000_000, latencyMs, asked: this.#asked };
      this.#channel.send('done', { ...summary, inputTokens, outputTokens, cached: false });
      return { ...summary, text };
    }
    const known = won?.answer.outcome === 'failure' ? [`${won.winner.provider.id}: ${won.answer.reason}`] : reasons;
    const { code, status, message } = this.#reason ?? noGoodAnswer(known);
    this.#channel.send('failed', { code, status, detail: message });
    return undefined;
  }
}

/** The events of an answer from the cache. */
export function replayOf({ text, ...summary }: BurstResult): ReplayChannel {
  const channel = new ReplayChannel(randomUUID());
  channel.send('start', { asked: [], cached: true });
  channel.send('winner', { provider: summary.provider, model: summary.model });
  channel.send('delta', { text });
  channel.send('done', { ...summary, cached: true });
  channel.end();
  return channel;
}
