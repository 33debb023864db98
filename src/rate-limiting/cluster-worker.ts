/** A worker of a cluster: it sends the operations of a turn of its event loop to the primary process as one message. */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { withinTimeout } from './answer-timeout.js';
import {
  applyFinding,
  ASK,
  machineMicroseconds,
  type Answer,
  type OperationName,
  type Part,
  type Request,
  type Result,
} from './cluster-protocol.js';
import { ALGORITHMS, type Quota } from './quota.js';
import { storeError } from './server-store.js';
import type { Charge, RateLimitStore } from './store.js';

/** How a worker reaches the primary process. */
export interface PrimaryChannel {
  /** Sends a message. `onFailure` is called if it cannot be sent. */
  send(request: Request, onFailure: (cause: Error) => void): void;
  /** @returns a function that stops listening */
  listen(onAnswer: (answer: Answer) => void): () => void;
}

interface Waiting {
  readonly name: OperationName;
  readonly parts: readonly Part[];
  readonly policy?: string;
  resolve(result: Result): void;
  reject(error: Error): void;
}

/** Operations in one message: more would keep the primary process from other workers for a noticeable time. */
const LARGEST_BATCH = 100;

const unavailable = (why: string, cause?: unknown): Error => storeError('ClusterStore', why, cause);

export class ClusterWorker implements RateLimitStore {
  readonly algorithms = ALGORITHMS;
  readonly #name: string;
  readonly #timeout: number;
  readonly #channel: PrimaryChannel;
  readonly #stopListening: () => void;
  readonly #sent = new Map<string, readonly Waiting[]>();
  #pending: Waiting[] = [];
  /** The quotas of the pending operations. */
  #quotas: Quota[] = [];
  readonly #origin = randomUUID();
  #messages = 0;
  /** The last number that the primary process reported. Before that, as many as a cluster usually has. */
  #processes = availableParallelism();
  #isClosed = false;

  /** @param timeout milliseconds that an answer may take */
  constructor(name: string, timeout: number, channel: PrimaryChannel) {
    this.#name = name;
    this.#timeout = timeout;
    this.#channel = channel;
    this.#stopListening = channel.listen((answer) => this.#receive(answer));
  }

  get instances(): number {
    return this.#processes;
  }

  async take(charges: readonly Charge[]): Promise<boolean> {
    const { value, findings = [] } = await this.#ask('take', this.#partsOf(charges));
    charges.forEach((one, i) => applyFinding(one, findings[i]!));
    return value === 1;
  }

  async spend(charges: readonly Charge[]): Promise<void> {
    const { findings = [] } = await this.#ask('spend', this.#partsOf(charges));
    charges.forEach((one, i) => applyFinding(one, findings[i]!));
  }

  async refund(charges: readonly Charge[]): Promise<void> {
    await this.#ask('refund', this.#partsOf(charges));
  }

  async read(key: string, quota: Quota): Promise<number> {
    return (await this.#ask('read', [this.#part(key, quota)])).value;
  }

  async write(key: string, quota: Quota, tokens: number): Promise<void> {
    await this.#ask('write', [this.#part(key, quota, tokens)]);
  }

  async reset(key: string, quota: Quota): Promise<void> {
    await this.#ask('reset', [this.#part(key, quota)]);
  }

  async resetAll(policy: string): Promise<void> {
    await this.#ask('resetAll', [], policy);
  }

  async declare(quota: Quota): Promise<number> {
    return (await this.#ask('declare', [this.#part('', quota)])).value;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    const error = unavailable('the store is closed');
    for (const one of [...this.#pending.splice(0), ...[...this.#sent.values()].flat()]) one.reject(error);
    this.#sent.clear();
  }

  #partsOf(charges: readonly Charge[]): readonly Part[] {
    return charges.map(({ key, quota, cost }) => this.#part(key, quota, cost));
  }

  #part(key: string, quota: Quota, tokens = 0): Part {
    const known = this.#quotas.indexOf(quota);
    return [key, known === -1 ? this.#quotas.push(quota) - 1 : known, tokens];
  }

  #ask(name: OperationName, parts: readonly Part[], policy?: string): Promise<Result> {
    if (this.#isClosed) return Promise.reject(unavailable('the store is closed'));
    return new Promise((resolve, reject) => {
      this.#pending.push({ name, parts, resolve, reject, ...(policy !== undefined && { policy }) });
      // Requests that arrived together are handled one after the other, and this comes after the last of them.
      if (this.#pending.length === 1) setImmediate(() => this.#flush());
      if (this.#pending.length >= LARGEST_BATCH) this.#flush();
    });
  }

  #flush(): void {
    const batch = this.#pending;
    const quotas = this.#quotas;
    this.#pending = [];
    this.#quotas = [];
    if (batch.length > 0) void this.#send(batch, quotas);
  }

  async #send(batch: readonly Waiting[], quotas: readonly Quota[]): Promise<void> {
    const id = `${this.#origin}/${++this.#messages}`;
    const operations = batch.map(({ name, parts, policy }) => ({
      name,
      parts,
      ...(policy !== undefined && { policy }),
    }));
    const until = machineMicroseconds() + 1000 * this.#timeout;
    const answered = new Promise<void>((resolve, reject) => {
      const waiting = batch.map((one) => ({
        ...one,
        resolve: (result: Result) => {
          one.resolve(result);
          resolve();
        },
        reject,
      }));
      this.#sent.set(id, waiting);
      this.#channel.send({ type: ASK, id, store: this.#name, until, quotas, operations }, reject);
    });
    const late = (): Error =>
      unavailable(
        `no answer within ${this.#timeout} ms; is a ClusterStore '${this.#name}' created in the primary process too?`,
      );
    try {
      await withinTimeout(answered, this.#timeout, late);
    } catch (error) {
      for (const one of batch) one.reject(unavailable('the primary process cannot be asked', error));
    } finally {
      this.#sent.delete(id);
    }
  }

  #receive({ id, processes, results, refusal }: Answer): void {
    const waiting = this.#sent.get(id);
    if (waiting === undefined) return;
    this.#processes = processes;
    waiting.forEach((one, i) => {
      const result = results?.[i];
      if (result === undefined) one.reject(unavailable(refusal ?? 'the answer is incomplete'));
      else one.resolve(result);
    });
  }
}
