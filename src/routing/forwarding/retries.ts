/** The further attempts of one request: how many are left, when the next may go, what they take of the budget. */
import { fullJitter } from '../../shared/backoff.js';
import { startTimer, type Timer } from '../../shared/clock.js';
import type { ForwarderCore } from './forwarder.js';

/** How long (ms) a request that may be retried waits for its turn when the budget is spent. */
const BUDGET_PATIENCE = 2000;

export class Retries {
  readonly #core: ForwarderCore;
  readonly #onTurn: () => void;
  #attempts = 0;
  /** Of the budget. */
  #taken = 0;
  #timer: Timer | undefined;
  #patienceEnds: number | undefined;

  /** @param onTurn the time of the next attempt has come */
  constructor(core: ForwarderCore, onTurn: () => void) {
    this.#core = core;
    this.#onTurn = onTurn;
  }

  /** Whether another attempt is allowed. */
  get areLeft(): boolean {
    return this.#attempts < this.#core.retry.attempts;
  }

  /** Whether one will have its turn. */
  get isPending(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether it is worth waiting until there is budget. */
  get isPatient(): boolean {
    return this.#patienceEnds === undefined || this.#core.clock.now() < this.#patienceEnds;
  }

  /** An attempt is made; returns how many there were before it. */
  started(): number {
    return this.#attempts++;
  }

  /** Those made do not count any more. */
  startAnew(): void {
    this.#attempts = 0;
  }

  /** There is a refusal to answer with, and waiting among many others would only keep the client from coming back later. */
  endPatience(): void {
    this.#patienceEnds = this.#core.clock.now();
  }

  /** Gives the next attempt its turn after its backoff. */
  schedule(): void {
    if (this.#timer !== undefined) return;
    const { clock, random, retry } = this.#core;
    this.#patienceEnds ??= clock.now() + BUDGET_PATIENCE;
    const delay = fullJitter(this.#attempts, { base: retry.backoff, cap: retry.maxBackoff, random });
    const turn = (): void => {
      this.#timer = undefined;
      this.#onTurn();
    };
    this.#timer = startTimer(clock, turn, delay);
  }

  /** Whether the budget has room for it: it is taken then, until `giveBack`. */
  take(): boolean {
    if (!this.#core.budget.tryRetry()) return false;
    this.#taken++;
    return true;
  }

  /** What was taken last is not needed. */
  giveBackOne(): void {
    this.#taken--;
    this.#core.budget.endRetry();
  }

  /** Gives back all that was taken. */
  giveBack(): void {
    while (this.#taken > 0) this.giveBackOne();
  }

  /** No further attempt gets a turn. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
