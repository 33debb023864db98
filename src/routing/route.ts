/** One attempt at one instance, as the router records it. Its outcome is recorded exactly once in every case. */
import type { Permit } from '../shared/circuit-breaker.js';
import type { Clock } from '../shared/clock.js';
import type { Instance } from './instance.js';
import { isRefusal } from './refusal.js';
import type { Member, ServiceGroup } from './service-group.js';
import type { Target } from './target.js';
import type { Verdict } from './verdict.js';

/**
 * One request that a router has sent to an instance. Report its outcome with `answered` or `failed`, then call `end`.
 *
 * @example
 * const route = router.acquire('billing');
 * if (route === undefined) throw new Error('no instance is available');
 * try {
 *   const response = await fetch(`${route.target.origin}/invoices`);
 *   route.answered(response.ok ? 'good' : 'bad');
 * } catch (error) {
 *   route.failed(error);
 * } finally {
 *   route.end();
 * }
 */
export class Route {
  readonly #group: ServiceGroup;
  readonly #member: Member;
  /** Undefined if the breaker was bypassed, because no better instance was left. */
  readonly #permit: Permit | undefined;
  readonly #clock: Clock;
  #startedAt: number;
  /** Whether the instance has received the whole request and must respond. */
  #isWaiting = true;
  /** Whether the outcome is known. */
  #isSettled = false;
  #isOpen = true;

  constructor(group: ServiceGroup, member: Member, permit: Permit | undefined, clock: Clock) {
    this.#group = group;
    this.#member = member;
    this.#permit = permit;
    this.#clock = clock;
    this.#startedAt = clock.now();
    group.balancer.start(member.instance);
    member.instance.startWaiting(this.#startedAt);
  }

  get service(): string {
    return this.#group.service;
  }

  get target(): Target {
    return this.#member.instance.target;
  }

  /** The instance, to exclude it from the next choice. */
  get instance(): Instance {
    return this.#member.instance;
  }

  /** The instance does not need to respond yet: the request waits in this proxy, or its body waits for the client. */
  notWaiting(): void {
    if (this.#isWaiting) this.#stopWaiting(this.#clock.now(), false);
  }

  /** The instance has received the whole request. From now on the elapsed time is its own. */
  waiting(): void {
    if (this.#isWaiting || this.#isSettled || !this.#isOpen) return;
    this.#isWaiting = true;
    this.#startedAt = this.#clock.now();
    this.#member.instance.startWaiting(this.#startedAt);
  }

  /** The response head arrived. */
  answered(verdict: Verdict): void {
    // The breaker only judges whether the instance can be reached.
    if (this.#permit === undefined) this.#group.reached(this.#member);
    else this.#permit.end('success');
    this.#settle(verdict);
    this.#group.woke(this.#member);
  }

  /**
   * There was no usable response: refused, reset, timed out, malformed or cut off. Takes the reason, if it is known.
   */
  failed(cause?: unknown): void {
    this.#permit?.end('failure');
    if (isRefusal(cause)) this.#group.refused(this.#member);
    if (this.#isSettled) this.#group.failed(this.#member);
    else this.#settle('bad');
  }

  /** The exchange is over. Without an earlier outcome this side gave up, which says nothing about the instance. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#permit?.end('ignored');
    this.notWaiting();
    this.#group.ended(this.#member);
  }

  #settle(verdict: Verdict): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const now = this.#clock.now();
    this.#stopWaiting(now, true);
    this.#member.instance.observe(now - this.#startedAt, verdict, now);
    if (verdict === 'good') this.#group.succeeded(this.#member, now);
    else if (verdict === 'bad') this.#group.failed(this.#member);
  }

  #stopWaiting(now: number, heard: boolean): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#member.instance.stopWaiting(now, heard);
  }
}
