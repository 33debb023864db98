/** Three processes with caches over one shared layer, what befalls them, and what they may answer. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { compilePattern } from '../../../src/caching/key-pattern.js';
import { openSqlite, type SqliteDatabase } from '../../../src/shared/sqlite-driver.js';
import type { RedisServer } from '../redis-server.js';
import type { CacheProcess } from './process.js';
import type { Call, Reply, Shared } from './process-program.js';

export type Fault = 'lock' | 'full' | 'kill' | 'empty' | 'setBack' | 'pause' | 'beginAnew' | 'mend';
export type Step =
  | { readonly do: 'set'; readonly key: string; readonly options: Options }
  | { readonly do: 'load'; readonly key: string; readonly options: Options; readonly invalidates: boolean }
  | { readonly do: 'together'; readonly key: string; readonly options: Options }
  | { readonly do: 'get' | 'shared' | 'invalidate'; readonly key: string }
  | { readonly do: 'pattern'; readonly pattern: string }
  | { readonly do: 'tag'; readonly tag: string; readonly soft: boolean }
  | { readonly do: 'clear' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'fault'; readonly fault: Fault };
interface Options {
  readonly ttl: number;
  readonly grace: number;
  readonly tags: readonly string[];
}

/** Every value is written once, so that an answer says which write it is from. */
interface Written extends Options {
  readonly key: string;
  readonly at: number;
  /** The processes for which it is outdated, and whether it must be gone from the shared layer. */
  readonly outdatedFor: Set<number>;
  /** Those for which it is stale. */
  readonly staleFor: Set<number>;
  isGone: boolean;
  /** Whether a load may still begin in the background that makes it: what outdates earlier values does not concern it. */
  isToCome: boolean;
}

export class World {
  readonly #processes: readonly CacheProcess[];
  readonly #redis: RedisServer | undefined;
  readonly #shared: Shared;
  readonly #tally: Record<string, number>;
  readonly #written: Written[] = [];
  readonly #errors = [0, 0, 0];
  readonly #skews: readonly number[];
  #elapsed = 0;
  #back = 0;
  #isBroken = false;
  #locker: SqliteDatabase | undefined;

  /** @param skews milliseconds by which the clock of each process is off */
  constructor(
    processes: readonly CacheProcess[],
    redis: RedisServer | undefined,
    shared: Shared,
    skews: readonly number[],
    tally: Record<string, number>,
  ) {
    this.#processes = processes;
    this.#redis = redis;
    this.#shared = shared;
    this.#skews = skews;
    this.#tally = tally;
  }

  async open(): Promise<void> {
    for (let i = 0; i < 3; i++) await this.#open(i);
  }

  async close(): Promise<void> {
    await this.#mend();
  }

  async take(which: number, step: Step): Promise<void> {
    this.#count('calls');
    switch (step.do) {
      case 'set':
        return this.#set(which, step);
      case 'get':
      case 'shared':
        return this.#judge(which, step.key, (await this.#call(which, step))?.value, step.do === 'shared');
      case 'load':
        return this.#load(which, step);
      case 'together':
        return this.#loadTogether(step);
      case 'invalidate':
        return this.#outdate(which, step, (one) => one.key === step.key);
      case 'pattern':
        return this.#outdate(which, step, (one) => compilePattern(step.pattern).matches(one.key));
      case 'clear':
        return this.#outdate(which, step, () => true);
      case 'tag':
        // A soft invalidation may leave it as stale, which only a load answers.
        return this.#outdate(which, step, (one) => one.tags.includes(step.tag), step.soft);
      case 'wait':
        this.#elapsed += step.ms;
        return this.#tellTime();
      case 'fault':
        return this.#fault(which, step.fault);
    }
  }

  #open(which: number): Promise<Reply | undefined> {
    return this.#call(which, {
      do: 'open',
      shared: this.#shared,
      offset: this.#offsetOf(which),
      waits: !this.#isBroken,
    });
  }

  #offsetOf(which: number): number {
    return this.#elapsed - this.#back + this.#skews[which]!;
  }

  async #tellTime(): Promise<void> {
    for (let i = 0; i < 3; i++) await this.#call(i, { do: 'offset', offset: this.#offsetOf(i) });
  }

  /** In memory and in the shared layer. */
  async #readClocks(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await this.#call(i, { do: 'get', key: 'none' });
      await this.#call(i, { do: 'shared', key: 'none' });
    }
  }

  async #call(which: number, call: Call): Promise<Reply | undefined> {
    const reply = await this.#processes[which]!.call(call);
    if (reply !== undefined && reply.errors !== this.#errors[which]) {
      this.#errors[which] = reply.errors;
      this.#isShaken[which] = true;
    }
    for (const value of reply?.began ?? []) this.#beginNow(this.#written[value]!);
    return reply;
  }

  /** Whether a layer has failed a process since all was well: what it missed then is repeated later. */
  readonly #isShaken = [false, false, false];

  /** The load of a value began after the previous call, so nothing before this moment has outdated it. */
  #beginNow(one: Written): void {
    one.isToCome = one.isGone = false;
    one.outdatedFor.clear();
    one.staleFor.clear();
  }

  #note(name: string, life: Options): number {
    const one = {
      ...life,
      key: name,
      at: this.#elapsed,
      isGone: false,
      isToCome: false,
      outdatedFor: new Set<number>(),
      staleFor: new Set<number>(),
    };
    return this.#written.push(one) - 1;
  }

  async #set(which: number, { key: name, options: life }: Extract<Step, { do: 'set' }>): Promise<void> {
    const value = this.#note(name, life);
    const isBefore = (one: Written): boolean => one.key === name && one !== this.#written[value];
    await this.#outdate(which, { do: 'set', key: name, value, options: life }, isBefore);
  }

  /** Makes a call that outdates what was written before it. */
  async #outdate(which: number, call: Call, matches: (one: Written) => boolean, isSoft = false): Promise<void> {
    const matching = this.#written.filter(matches);
    await this.#call(which, call);
    const isSure = !this.#isBroken && !this.#isShaken[which];
    for (const one of matching) {
      (isSoft ? one.staleFor : one.outdatedFor).add(which);
      if (isSure && !isSoft) one.isGone = true;
    }
  }

  async #load(which: number, { key: name, options: life, invalidates }: Extract<Step, { do: 'load' }>): Promise<void> {
    const value = this.#note(name, life);
    const reply = await this.#call(which, { do: 'load', key: name, value, options: life, invalidates });
    if (reply?.ran === true && invalidates) {
      for (const one of this.#written) if (one.key === name) one.outdatedFor.add(which);
    }
    this.#noteLate(value, reply);
    if (reply !== undefined && reply.value !== value) this.#judge(which, name, reply.value, false, true);
  }

  /** A load that was answered with a stale value goes on in the background, and may not have begun. */
  #noteLate(value: number, reply: Reply | undefined): void {
    if (reply !== undefined && reply.ran !== true && reply.value !== value) this.#written[value]!.isToCome = true;
  }

  async #loadTogether({ key: name, options: life }: Extract<Step, { do: 'together' }>): Promise<void> {
    const values = this.#processes.map(() => this.#note(name, life));
    const wasWell = !this.#isBroken && !this.#isShaken.includes(true);
    const call = (i: number): Call => ({ do: 'load', key: name, value: values[i]!, options: life, invalidates: false });
    const replies = await Promise.all(this.#processes.map((_one, i) => this.#call(i, call(i))));
    const ran = replies.filter((reply) => reply?.ran === true).length;
    this.#count('loadsTogether');
    if (wasWell && !this.#isShaken.includes(true) && ran > 1) throw new Error(`${name}: ${ran} loads ran at one time`);
    for (const [i, reply] of replies.entries()) {
      this.#noteLate(values[i]!, reply);
      if (reply !== undefined && !values.includes(reply.value!)) this.#judge(i, name, reply.value, false, true);
    }
  }

  #judge(which: number, name: string, answer: number | undefined, isShared: boolean, mayBeStale = false): void {
    if (answer === undefined) return;
    this.#count('hits');
    const one = this.#written[answer];
    if (one === undefined) throw new Error(`${name}: ${answer} was never written`);
    if (one.key !== name) throw new Error(`${name}: ${answer} was written under ${one.key}`);
    if (one.isToCome) return; // its process has not reported yet that the load began
    if (isShared && one.isGone) throw new Error(`${name}: ${answer} was outdated, and is in the shared layer`);
    const isStale = one.staleFor.has(which) && !(mayBeStale && one.grace > 0);
    if (!isShared && (one.outdatedFor.has(which) || isStale)) {
      throw new Error(`${name}: ${answer} was outdated by process ${which}, which answers it`);
    }
    if (this.#shared.redis !== undefined) return; // Redis measures lifetimes by a clock of its own
    const age = this.#elapsed - one.at;
    const most = one.ttl + (mayBeStale ? one.grace : 0);
    if (age >= most) throw new Error(`${name}: ${answer} lives ${most} ms and is ${age} ms old`);
  }

  async #fault(which: number, fault: Fault): Promise<void> {
    this.#count(fault);
    if (fault === 'mend') return this.#mend();
    if (fault === 'kill') return this.#kill(which);
    if (fault === 'setBack') {
      // A process notices only if it reads its clock before and after. The layer's timer does so every minute.
      await this.#readClocks();
      this.#back += 60_000;
      await this.#tellTime();
      await this.#readClocks();
      return;
    }
    this.#isBroken = true;
    if (fault === 'lock') this.#lock();
    else if (fault === 'full') this.#processes[which]!.limitFiles(4096);
    else if (fault === 'pause') this.#redis!.pause();
    else if (fault === 'beginAnew') {
      await this.#redis!.kill();
      await this.#redis!.start();
    } else if (fault === 'empty' && this.#locker === undefined) this.#empty();
  }

  async #kill(which: number): Promise<void> {
    const life = { ttl: Infinity, grace: 0, tags: [] };
    const call: Call = { do: 'load', key: 'x', value: this.#note('x', life), options: life, invalidates: false };
    await Promise.all([this.#processes[which]!.call(call), this.#processes[which]!.restart()]); // it leaves its lease behind
    this.#errors[which] = 0;
    this.#isShaken[which] = false;
    // What it had not brought to the shared layer yet is forgotten with it.
    for (const { outdatedFor, staleFor } of this.#written) [outdatedFor, staleFor].map((set) => set.delete(which));
    await this.#open(which);
  }

  #lock(): void {
    if (this.#locker !== undefined || !existsSync(this.#shared.dbPath!)) return;
    const locker = openSqlite(this.#shared.dbPath!, { timeout: 0 });
    try {
      locker.exec('BEGIN IMMEDIATE');
      this.#locker = locker;
    } catch {
      locker.close();
    }
  }

  #empty(): void {
    const at = join(this.#shared.dbPath!, '..');
    for (const file of existsSync(at) ? readdirSync(at) : []) rmSync(join(at, file));
  }

  async #mend(): Promise<void> {
    this.#locker?.exec('ROLLBACK');
    this.#locker?.close();
    this.#locker = undefined;
    if (this.#shared.redis !== undefined) this.#redis!.resume();
    else for (const one of this.#processes) one.limitFiles('unlimited');
    this.#isBroken = false;
  }

  #count(what: string): void {
    this.#tally[what] = (this.#tally[what] ?? 0) + 1;
  }
}
