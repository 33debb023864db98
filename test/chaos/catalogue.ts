/** Runs faults under traffic, one after the other, and prints what each of them cost. */
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/eventually.js';
import { lostWrites, Traffic, type Account } from './traffic.js';

export interface Fault {
  readonly name: string;
  /** Breaks something, and mends it again. */
  readonly run: () => Promise<void>;
}

export interface Outcome extends Account {
  readonly fault: string;
  readonly writes: number;
  readonly lost: number;
}

/** Requests answered before the fault, and after it: the fleet is seen to serve. */
const SETTLING = 200;

/** Milliseconds a fault lasts that has no end of its own. */
export const LASTING = 5_000;

/** For faults that last a time: what is broken stays broken for it. */
export function lasting(): Promise<void> {
  return pause(LASTING);
}

/** Settings with which a fleet is started, so that only faults keep it from answering. */
export const UNLIMITED = { RATE_LIMIT_CAPACITY: '1000000', RATE_LIMIT_SERVICE_CAPACITY: '1000000', LOG_LEVEL: 'error' };

export class Catalogue {
  readonly #outcomes: Outcome[] = [];

  /**
   * Sends traffic, breaks, mends, and expects to read back what was acknowledged.
   *
   * @param web where the gateway is, before and after the fault
   */
  async suffer(web: string, { name, run }: Fault): Promise<Outcome> {
    const traffic = new Traffic(web);
    await served(traffic);
    await run();
    await served(traffic);
    const account = await traffic.end();
    const lost = await lostWrites(web, traffic.acknowledged);
    const outcome = { fault: name, ...account, writes: traffic.acknowledged.size, lost: lost.length };
    this.#outcomes.push(outcome);
    expect(lost).toEqual([]);
    return outcome;
  }

  /** Prints the table of docs/reliability.md. */
  print(): void {
    const head = [`| ${HEADER.join(' | ')} |`, `|${' --- |'.repeat(HEADER.length)}`];
    process.stdout.write(`\n${[...head, ...this.#outcomes.map(row)].join('\n')}\n`);
  }
}

function served(traffic: Traffic): Promise<void> {
  const goal = traffic.sent + SETTLING;
  return until(() => traffic.sent >= goal, 'the fleet does not serve');
}

const HEADER = ['fault', 'sent', 'failed', 'slowest answer', 'writes acknowledged', 'lost'];

function cells({ fault, sent, failures, slowest, writes, lost }: Outcome): string[] {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const kinds = Object.entries(failures).map(([what, count]) => `${count} × ${what}`);
  const shown = failed === 0 ? '0' : `${failed} (${kinds.join(', ')})`;
  return [fault, String(sent), shown, `${(slowest / 1000).toFixed(1)} s`, String(writes), String(lost)];
}

const row = (outcome: Outcome): string => `| ${cells(outcome).join(' | ')} |`;
