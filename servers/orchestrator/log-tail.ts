/** The last lines each instance printed, for whoever looks at it from afar. */

/** Lines of an instance, and characters of a line. */
const MAX_LINES = 200;
const MAX_LENGTH = 2_000;

/** Instances whose lines are held, those that are gone among them: the longest silent goes first. */
const MAX_INSTANCES = 200;

export class LogTail {
  readonly #lines = new Map<string, string[]>();

  add(line: string, id: string): void {
    const lines = this.#lines.get(id) ?? [];
    // Put back last: the map's order is who printed when.
    this.#lines.delete(id);
    this.#lines.set(id, lines);
    lines.push(line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 1)}…` : line);
    if (lines.length > MAX_LINES) lines.shift();
    if (this.#lines.size > MAX_INSTANCES) this.#lines.delete(this.#lines.keys().next().value!);
  }

  /** The lines, the oldest first; undefined where the instance printed nothing that came here. */
  of(id: string): readonly string[] | undefined {
    return this.#lines.get(id);
  }
}
