/** One attempt to one instance, as the router keeps its accounts: what came of it is told once, whatever happens. */
import type { Permit } from '../shared/circuit-breaker.js';
import type { Clock } from '../shared/clock.js';
import type { Instance } from './instance.js';
import { isRefusal } from './refusal.js';
import type { Member, ServiceGroup } from './service-group.js';
import type { Target } from './target.js';
import type { Verdict } from './verdict.js';

export class Route {
  readonly #group: ServiceGroup;
  readonly #member: Member;
  readonly #permit: Permit;
  readonly #clock: Clock;
  #startedAt: number;
  /** Whether the instance has the whole request and owes a response. */
  #isWaiting = true;
  /** Whether it is known what came of it. */
  #isSettled = false;
  #isOpen = true;

  constructor(group: ServiceGroup, member: Member, permit: Permit, clock: Clock) {
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

  /** For leaving it out of the next choice. */
  get instance(): Instance {
    return this.#member.instance;
  }

  /** The request is still on its way: for how long is the client's affair, not the instance's. */
  uploading(): void {
    this.#stopWaiting(this.#clock.now(), false);
  }

  /** The instance has all of the request: from now on it is the one that takes time. */
  uploaded(): void {
    if (this.#isWaiting || this.#isSettled || !this.#isOpen) return;
    this.#isWaiting = true;
    this.#startedAt = this.#clock.now();
    this.#member.instance.startWaiting(this.#startedAt);
  }

  /** The response head came. */
  answered(verdict: Verdict): void {
    this.#permit.end('success'); // the breaker asks whether it can be reached
    this.#settle(verdict);
    this.#group.woke(this.#member);
  }

  /** There was no usable answer (refused, reset, timed out, malformed, cut off); why, where that is known. */
  failed(cause?: unknown): void {
    this.#permit.end('failure');
    if (isRefusal(cause)) this.#group.refused(this.#member);
    if (this.#isSettled) this.#group.failed(this.#member);
    else this.#settle('bad');
  }

  /** The exchange is over. Without an outcome before, it was given up on this side and says nothing of the instance. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#permit.end('ignored');
    this.#stopWaiting(this.#clock.now(), false);
    this.#group.ended(this.#member);
  }

  #settle(verdict: Verdict): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const now = this.#clock.now();
    this.#stopWaiting(now, true);
    this.#member.instance.observe(now - this.#startedAt, verdict, now);
    if (verdict === 'good') this.#group.succeeded(this.#member);
    else if (verdict === 'bad') this.#group.failed(this.#member);
  }

  #stopWaiting(now: number, heard: boolean): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#member.instance.stopWaiting(now, heard);
  }
}
