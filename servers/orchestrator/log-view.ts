/** Prints the services' log lines on the orchestrator's output: unchanged for machines, formatted for a terminal. */
import type { InstanceSpec } from '../../src/index.js';
import type { Screen } from './start-table.js';

/** Maximum number of lines held while the start table is on the screen. Beyond it, the oldest lines are dropped. */
const MAX_HELD = 1000;

const NAME_WIDTH = 'segmentation-1'.length;
const SHOWN_APART = new Set(['level', 'time', 'service', 'instance', 'pid', 'hostname', 'msg', 'spanId']);

/** Formats a member's value: of limited length, and without control characters that the terminal would execute. */
function show(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // eslint-disable-next-line no-control-regex -- control characters are what must not reach the terminal
  return (text ?? '').slice(0, 2000).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** Formats a JSON log line: time, instance, level (unless info), message, then the other members as name=value. */
export function readable(line: string, instance: string): string {
  const name = instance.padEnd(NAME_WIDTH);
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return `${' '.repeat(8)} ${name}  ${show(line)}`;
  }
  if (typeof entry !== 'object' || entry === null) return `${' '.repeat(8)} ${name}  ${show(line)}`;
  const time = typeof entry['time'] === 'string' ? entry['time'].slice(11, 19) : ' '.repeat(8);
  const level = entry['level'] === 'info' ? '' : `${show(entry['level']).toUpperCase()} `;
  const rest = Object.entries(entry)
    .filter(([key, value]) => !SHOWN_APART.has(key) && value !== undefined)
    .map(([key, value]) => `${key}=${show(key === 'err' ? (value as { message?: unknown }).message : value)}`);
  return `${time} ${name}  ${level}${[show(entry['msg'] ?? ''), ...rest].join(' ')}`;
}

export class LogView {
  #held: string[] | undefined = [];

  constructor(private readonly screen: Screen) {}

  /**
   * Takes a line of an instance. A line that is not JSON, such as a stack trace or a Node warning, passes unchanged.
   */
  line = (line: string, { id }: Pick<InstanceSpec, 'id'>): void => {
    const text = this.screen.isTTY === true ? `${readable(line, id)}\n` : `${line}\n`;
    if (this.#held === undefined) this.screen.write(text);
    else {
      this.#held.push(text);
      if (this.#held.length > MAX_HELD) this.#held.shift();
    }
  };

  /** Prints the held lines, and from now on each new line at once. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const text of held) this.screen.write(text);
  }
}
