/**
 * Remembers earlier responses of a resource: whether they could be stored, for whom they were valid, and how long their
 * heads took. This decides whether a request waits for another one, and for how long.
 */
import { LRUCache } from 'lru-cache';

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

interface Answers {
  /** Epoch milliseconds until which the resource counts as not storable; 0: its response was stored. */
  unstorableUntil: number;
  /** Nothing was stored under the key at that time. */
  isAbsent: boolean;
  /** The response is for everyone: `public` or `s-maxage`. */
  isForEveryone: boolean;
  /** The usual time to the head in milliseconds. */
  usualTime: number | undefined;
}

export class AnswerMemory {
  readonly #answers = new LRUCache<string, Answers>({ max: MOST });

  /**
   * Remembers that a response could not be stored.
   *
   * @param isAbsent whether there was no other entry under the key either
   */
  markUnstorable(key: string, now: number, isAbsent: boolean): void {
    const answers = this.#of(key);
    answers.unstorableUntil = now + REMEMBERED;
    answers.isAbsent = isAbsent;
  }

  /** Remembers that a response was stored, and the milliseconds until its head. */
  markStored(key: string, isForEveryone: boolean, time: number): void {
    const answers = this.#of(key);
    answers.unstorableUntil = 0;
    answers.isForEveryone = isForEveryone;
    const { usualTime } = answers;
    answers.usualTime = usualTime === undefined ? time : usualTime + WEIGHT * (time - usualTime);
  }

  /** Whether the last response could not be stored, a short time ago. */
  isUnstorable(key: string, now: number): boolean {
    return isRecent(this.#answers.get(key), now);
  }

  /** As before, and there was no entry: a lookup in the store would most likely find nothing. */
  isNeitherStoredNorStorable(key: string, now: number): boolean {
    const answers = this.#answers.get(key);
    return isRecent(answers, now) && answers?.isAbsent === true;
  }

  /** Whether the last response was for everyone, even if a request carries credentials. */
  isForEveryone(key: string): boolean {
    return this.#answers.get(key)?.isForEveryone === true;
  }

  /** Milliseconds for which it is useful to wait for the head of another request's response. */
  headWait(key: string): number {
    const usual = this.#answers.get(key)?.usualTime;
    return usual === undefined ? FIRST_WAIT : Math.max(SHORTEST_WAIT, usual * PATIENCE);
  }

  forget(key: string): void {
    const answers = this.#answers.get(key);
    if (answers !== undefined) answers.unstorableUntil = 0;
  }

  clear(): void {
    this.#answers.clear();
  }

  #of(key: string): Answers {
    let answers = this.#answers.get(key);
    if (answers === undefined) {
      answers = { unstorableUntil: 0, isAbsent: false, isForEveryone: false, usualTime: undefined };
      this.#answers.set(key, answers);
    }
    return answers;
  }
}

function isRecent(answers: Answers | undefined, now: number): boolean {
  const until = answers?.unstorableUntil ?? 0;
  // A clock that was set back must not extend this.
  return now < until && until - now <= REMEMBERED;
}
