/** The streamed bursts of this process: those that run, and the recent ones, whose events can still be requested. */
import type { Response } from 'express';
import { LRUCache } from 'lru-cache';
import { ResilienceError } from '../../src/index.js';
import type { Admission, BurstRequest } from './admission.js';
import type { BurstResult } from './burst.js';
import { BurstStream, replayOf, type StreamLimits, type StreamParts } from './burst-stream.js';

/** Time in ms for which the events of a finished stream are kept. */
const KEPT_FOR = 60_000;
/** Maximum number of finished streams, and of all their characters. */
const KEPT = 1000;
const KEPT_CHARACTERS = 32 * 1024 * 1024;

/** A stream of events that clients can subscribe to. */
export interface EventSource {
  readonly id: string;
  readonly size: number;
  /** Sends the events after the given one. Returns false if there are too many clients. */
  subscribe(res: Response, after: number): boolean;
}

export class BurstStreams {
  readonly #running = new Map<string, BurstStream>();
  readonly #finished = new LRUCache<string, EventSource>({
    max: KEPT,
    maxSize: KEPT_CHARACTERS,
    sizeCalculation: ({ size }) => size,
    ttl: KEPT_FOR,
  });
  #isClosed = false;

  constructor(private readonly parts: StreamParts) {}

  /** Starts the calls of an admitted request. */
  start(admission: Admission, request: BurstRequest, limits: StreamLimits): BurstStream {
    const stream = new BurstStream(admission, request, limits, this.parts);
    this.#running.set(stream.id, stream);
    void stream.ended.then(() => {
      this.#running.delete(stream.id);
      this.#finished.set(stream.id, stream);
    });
    if (this.#isClosed) stream.abandon(closing());
    return stream;
  }

  /** The stream of an answer from the cache. */
  replay(result: BurstResult): EventSource {
    const stream = replayOf(result);
    this.#finished.set(stream.id, stream);
    return stream;
  }

  /** Returns undefined if this process does not have the stream, or no longer. */
  find(id: string): EventSource | undefined {
    return this.#running.get(id) ?? this.#finished.get(id);
  }

  /** Cancels all calls and waits until the ledger is settled. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const running = [...this.#running.values()];
    for (const stream of running) stream.abandon(closing());
    await Promise.all(running.map(({ ended }) => ended));
    this.#finished.clear();
  }
}

function closing(): ResilienceError {
  return new ResilienceError('SHUTTING_DOWN', 'the service is shutting down');
}
