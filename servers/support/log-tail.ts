/**
 * Stores the latest log lines of each instance, in bounded memory. Storing a line is cheap, because every line is stored
 * and few are read: secrets are removed from the lines that are read.
 */
import { randomBytes } from 'node:crypto';
import { wallClock, type Clock } from '../../src/index.js';
import { isNotable, levelOf, type Level } from './log-level.js';
import { LogRing } from './log-ring.js';

/** The instance that printed a line. */
export interface LogSource {
  readonly service: string;
  /** Id of the instance. */
  readonly instance: string;
}

export interface StoredLine {
  /** Number of the line among all lines of the tail. */
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Undefined for output that is not a log line, such as a stack trace. */
  readonly level: Level | undefined;
  /** As printed, with its secrets (see `clean`). */
  readonly line: string;
}

/** The stored lines of one instance. */
export interface HeldLines {
  readonly source: LogSource;
  /** Oldest first. */
  readonly lines: readonly StoredLine[];
  /** Epoch milliseconds before which lines may be missing, because they were dropped; undefined if none is missing. */
  readonly droppedBefore: number | undefined;
  /** The same for warnings and errors. */
  readonly notableDroppedBefore: number | undefined;
}

/** Maximum number of characters of a line. */
const MAX_LENGTH = 4_000;

/** Bounds per instance. Warnings and errors have their own, so that many other lines do not push them out. */
const PLAIN = { lines: 1_000, characters: 256_000 };
const NOTABLE = { lines: 300, characters: 128_000 };

/**
 * Maximum number of instances with stored lines, including stopped ones. The one without output for the longest is
 * dropped.
 */
const MAX_INSTANCES = 200;

/** How every line of the services begins. Reading it here is several times cheaper than parsing the line. */
const HEAD = /^\{"level":"(\w+)","time":"([^"]{1,40})"/;

class Instance {
  readonly plain = new LogRing(PLAIN);
  readonly notable = new LogRing(NOTABLE);

  constructor(readonly source: LogSource) {}

  held(): HeldLines {
    const { source, plain, notable } = this;
    const lines = [...plain.lines, ...notable.lines].sort((a, b) => a.seq - b.seq);
    const droppedBefore = Math.max(plain.droppedBefore ?? -Infinity, notable.droppedBefore ?? -Infinity);
    return {
      ...{ source, lines, notableDroppedBefore: notable.droppedBefore },
      droppedBefore: droppedBefore === -Infinity ? undefined : droppedBefore,
    };
  }
}

export class LogTail {
  /** Distinguishes this tail from others, and from the one of an earlier process. */
  readonly id = randomBytes(6).toString('hex');
  /** Removes the secrets from a line. */
  readonly clean: (text: string) => string;
  readonly #clock: Pick<Clock, 'now'>;
  /** The instance with the latest output last. */
  readonly #instances = new Map<string, Instance>();
  #seq = 0;

  /**
   * @param clean removes the secrets from a line
   * @param clock epoch milliseconds
   */
  constructor(clean: (text: string) => string, clock: Pick<Clock, 'now'> = wallClock) {
    this.clean = clean;
    this.#clock = clock;
  }

  /** Number of the latest line; 0 before the first one. */
  get last(): number {
    return this.#seq;
  }

  add(printed: string, source: LogSource): void {
    const instance = this.#instances.get(source.instance) ?? new Instance(source);
    this.#instances.delete(source.instance);
    this.#instances.set(source.instance, instance);
    const [, name, time = ''] = HEAD.exec(printed) ?? [];
    const level = levelOf(name);
    const parsed = Date.parse(time);
    const at = Number.isNaN(parsed) ? this.#clock.now() : parsed;
    const ring = isNotable(level) ? instance.notable : instance.plain;
    ring.add({ seq: ++this.#seq, at, level, line: this.#cut(printed) });
    if (this.#instances.size > MAX_INSTANCES) this.#instances.delete(this.#instances.keys().next().value!);
  }

  /** A cut could leave a part of a secret, which is then not recognised. */
  #cut(line: string): string {
    return line.length > MAX_LENGTH ? `${this.clean(line).slice(0, MAX_LENGTH - 1)}…` : line;
  }

  /** The stored lines of each instance. */
  held(): HeldLines[] {
    return [...this.#instances.values()].map((instance) => instance.held());
  }
}
