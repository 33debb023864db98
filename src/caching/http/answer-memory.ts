/**
 * Remembers earlier responses of a resource: whether they could be stored, for whom they were valid, and how long their
 * heads took. This decides whether a request waits for another one, and for how long.
 */
import { LRUCache } from 'lru-cache';
import type { AnswerFacts, LoadOutcome } from './forward-options.js';
import { concernsResource, type Unstorable } from './storable.js';

/** Milliseconds for which a response that could not be stored is remembered. */
const REMEMBERED = 120_000;

/** The most resources remembered. Forgetting one costs its next requests a short wait. */
const MOST = 10_000;

/** Milliseconds that a request waits for the head of an unknown resource. */
const FIRST_WAIT = 500;

/** The shortest wait in milliseconds, because a timer is no more precise under load. */
const SHORTEST_WAIT = 200;

/** A wait lasts this many times the usual time to the head. */
const PATIENCE = 3;

/** The weight of the latest time in the usual time. */
const WEIGHT = 0.3;

/** The earlier responses of one resource. */
export class Answers {
  /** Epoch milliseconds until which the resource counts as not storable; 0: its response was stored. */
  #unstorableUntil = 0;
  /** Nothing was stored under the key at that time. */
  #isAbsent = false;
  #reason: Unstorable | undefined;
  /** The response is for everyone: `public` or `s-maxage`. */
  isForEveryone = false;
  /**
   * Whether a client's own condition was answered with a 304, and the response that the client has could be stored. The
   * handler is then asked for the whole response. Otherwise an empty cache would stay empty while all clients have it.
   */
  asksForWhole = false;
  /** Whether the last response to a POST did not name its target, so that it was not stored for GETs. */
  postsPass = false;
  /** The usual time to the head in milliseconds. */
  #usualTime: number | undefined;

  /**
   * Remembers that a response could not be stored.
   *
   * @param isAbsent whether there was no other entry under the key either
   */
  markUnstorable(reason: Unstorable, now: number, isAbsent: boolean): void {
    this.#reason = reason;
    this.#unstorableUntil = now + REMEMBERED;
    this.#isAbsent = isAbsent;
    this.asksForWhole = false;
  }

  /** Remembers that a response was stored, and the milliseconds until its head. */
  markStored(isForEveryone: boolean, time: number): void {
    this.#unstorableUntil = 0;
    this.asksForWhole = false;
    this.isForEveryone = isForEveryone;
    this.#usualTime = this.#usualTime === undefined ? time : this.#usualTime + WEIGHT * (time - this.#usualTime);
  }

  /** Forgets that a response could not be stored. */
  markStorable(): void {
    this.#unstorableUntil = 0;
  }

  /** Whether the last response could not be stored, a short time ago. */
  isUnstorable(now: number): boolean {
    // A clock that was set back must not extend this.
    return now < this.#unstorableUntil && this.#unstorableUntil - now <= REMEMBERED;
  }

  /** Whether the last response that could not be stored was too large. */
  get wasTooLarge(): boolean {
    return this.#reason === 'too-large';
  }

  /** As before, and there was no entry: a lookup in the store would most likely find nothing. */
  isNeitherStoredNorStorable(now: number): boolean {
    return this.#isAbsent && this.isUnstorable(now);
  }

  /** Milliseconds for which it is useful to wait for the head of another request's response. */
  get headWait(): number {
    return this.#usualTime === undefined ? FIRST_WAIT : Math.max(SHORTEST_WAIT, this.#usualTime * PATIENCE);
  }
}

/** The store at the time of a response. */
export interface StoreState {
  /** Epoch milliseconds. */
  readonly now: number;
  /** Whether nothing was stored under the key. */
  readonly isAbsent: boolean;
}

export class AnswerMemory {
  readonly #answers = new LRUCache<string, Answers>({ max: MOST });

  find(key: string): Answers | undefined {
    return this.#answers.get(key);
  }

  /** The record of a resource; a new one for a resource not seen before. */
  of(key: string): Answers {
    let answers = this.#answers.get(key);
    if (answers === undefined) {
      answers = new Answers();
      this.#answers.set(key, answers);
    }
    return answers;
  }

  /** Remembers what a response says about the next one of its resource, and nothing that depends on the client. */
  remember(key: string, facts: AnswerFacts, outcome: LoadOutcome, { now, isAbsent }: StoreState): void {
    const { uncacheable, isForEveryone = false, headTime, hadStorable = false } = facts;
    if (outcome === 'stored' && headTime !== undefined) this.of(key).markStored(isForEveryone, headTime);
    if (hadStorable) this.of(key).asksForWhole = true;
    if (uncacheable !== undefined && concernsResource(uncacheable))
      this.of(key).markUnstorable(uncacheable, now, isAbsent);
  }

  /** Whether the handler is to send the whole response to the next request, even if the client of that has it. */
  asksForWhole(key: string): boolean {
    return this.find(key)?.asksForWhole === true;
  }

  /** Milliseconds for which it is useful to wait for the head of another request's response. */
  headWait(key: string): number {
    return this.find(key)?.headWait ?? FIRST_WAIT;
  }

  clear(): void {
    this.#answers.clear();
  }
}
