/** The output on the terminal while the fleet starts, and the final table. */
import { FLEET, type ServiceName } from '../support/fleet.js';
import type { InstanceRecord } from './fleet-runner.js';

/** The members of a terminal stream that are used here. */
export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const HEADINGS = ['SERVICE', 'URL', 'PID', 'STATE', 'READY IN', 'PURPOSE'] as const;

const url = ({ host, port }: InstanceRecord): string => (port === 0 ? '' : `http://${host}:${port}`);
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

function row(instance: InstanceRecord): string[] {
  const { service, pid, state, readyAfterMs, reason } = instance;
  return [
    service,
    url(instance),
    pid === null ? '' : String(pid),
    state,
    readyAfterMs === null ? '' : seconds(readyAfterMs),
    reason ?? FLEET[service].purpose,
  ];
}

/** Rows below the headings. Each column is as wide as its widest cell. */
export function formatTable(instances: readonly InstanceRecord[]): string {
  const rows = [[...HEADINGS], ...instances.map(row)];
  const widths = HEADINGS.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length)));
  return rows
    .map(
      (cells) =>
        `  ${cells
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/**
 * Shows the progress of the start. On a terminal it redraws the table in place. Elsewhere it prints a line when an
 * instance is ready or has failed.
 */
export class StartTable {
  #drawn = 0;
  readonly #printed = new Set<string>();

  constructor(private readonly screen: Screen) {}

  update(instances: readonly InstanceRecord[]): void {
    if (this.screen.isTTY === true) this.#redraw(instances);
    else for (const instance of instances) this.#print(instance);
  }

  /** Prints the final table and the next steps. */
  finish(instances: readonly InstanceRecord[], startedAfterMs: number): void {
    this.#redraw(instances);
    const web = instances.find(({ service, state }) => service === ('web' satisfies ServiceName) && state === 'ready');
    const all = instances.every(({ state }) => state === 'ready');
    if (!all || web === undefined) return;
    this.screen.write(
      `\n  Ready in ${seconds(startedAfterMs)}. Open ${url(web)}/ or try: curl -i ${url(web)}/api/v1/training/overview\n  Ctrl-C stops everything.\n\n`,
    );
  }

  #redraw(instances: readonly InstanceRecord[]): void {
    const text = formatTable(instances);
    // Moves the cursor above the drawn table and clears it. Only a terminal understands this sequence.
    const back = this.screen.isTTY === true && this.#drawn > 0 ? `\u001b[${this.#drawn}A\u001b[J` : '\n';
    this.screen.write(back + text);
    this.#drawn = instances.length + 1;
  }

  #print(instance: InstanceRecord): void {
    const { id, state, readyAfterMs, reason } = instance;
    const key = `${id} ${state}`;
    if (this.#printed.has(key)) return;
    this.#printed.add(key);
    if (state === 'ready') this.screen.write(`  ${id} ready at ${url(instance)} after ${seconds(readyAfterMs ?? 0)}\n`);
    else if (reason !== null) this.screen.write(`  ${id} ${state}: ${reason}\n`);
  }
}
