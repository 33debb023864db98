/** Stores the latest log lines of each instance for remote viewers. */

/** Maximum number of lines per instance, and of characters per line. */
const MAX_LINES = 200;
const MAX_LENGTH = 2_000;

/**
 * Maximum number of instances with stored lines, including stopped ones. The one without output for the longest is
 * dropped.
 */
const MAX_INSTANCES = 200;

export class LogTail {
  readonly #lines = new Map<string, string[]>();

  add(line: string, id: string): void {
    const lines = this.#lines.get(id) ?? [];
    // Inserted again at the end, because the order of the map is the order of the latest output.
    this.#lines.delete(id);
    this.#lines.set(id, lines);
    lines.push(line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 1)}…` : line);
    if (lines.length > MAX_LINES) lines.shift();
    if (this.#lines.size > MAX_INSTANCES) this.#lines.delete(this.#lines.keys().next().value!);
  }

  /** The lines, oldest first; undefined if no output of the instance was received. */
  of(id: string): readonly string[] | undefined {
    return this.#lines.get(id);
  }
}
