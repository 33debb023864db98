/** The terminal: its alternate screen, its keys, and lines drawn over those before. */
import { emitKeypressEvents, type Key } from 'node:readline';
import { paint, type Line } from './line.js';
import type { Size } from './screen.js';

/** The members of an output stream that are used here. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

/** The members of an input stream that are used here. */
export type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };

/** The sequences are those of xterm. The screen before is back once the alternate one is left. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const CLEAR_LINE = '\u001b[K';

/** The size assumed for a terminal that does not report one. */
const USUAL: Size = { columns: 80, rows: 24 };

const NAMED_KEYS = new Set([
  ...['up', 'down', 'left', 'right', 'home', 'end', 'pageup', 'pagedown'],
  ...['return', 'escape', 'backspace', 'tab'],
]);

/** A key by its character or its name: `a`, `G`, `up`, `shift-tab`, `ctrl-c`; empty for one without either. */
export function keyName(text: string | undefined, { name = '', ctrl = false, shift = false }: Partial<Key>): string {
  if (name === 'enter') return 'return';
  if (ctrl) return `ctrl-${name}`;
  if (NAMED_KEYS.has(name)) return shift && name === 'tab' ? 'shift-tab' : name;
  return text ?? '';
}

export interface TerminalHandlers {
  readonly onKey: (key: string) => void;
  /** The size changed. */
  readonly onResize: () => void;
}

export class Terminal {
  readonly #out: Output;
  readonly #input: Input | undefined;
  readonly #hasColour: boolean;
  readonly #handlers: TerminalHandlers;
  readonly #onKeypress = (text: string | undefined, key: Partial<Key> = {}): void =>
    this.#handlers.onKey(keyName(text, key));
  /** Also when the program ends by an error: otherwise the shell would be left in the alternate screen. */
  readonly #onExit = (): void => this.leave();
  #isEntered = false;

  constructor(out: Output, input: Input | undefined, hasColour: boolean, handlers: TerminalHandlers) {
    this.#out = out;
    this.#input = input;
    this.#hasColour = hasColour;
    this.#handlers = handlers;
  }

  get size(): Size {
    // A terminal that does not know its size reports 0.
    return { columns: this.#out.columns || USUAL.columns, rows: this.#out.rows || USUAL.rows };
  }

  enter(): void {
    if (this.#isEntered) return;
    this.#isEntered = true;
    this.#out.write(ENTER);
    this.#out.on?.('resize', this.#handlers.onResize);
    process.once('exit', this.#onExit);
    if (this.#input === undefined) return;
    emitKeypressEvents(this.#input);
    this.#input.setRawMode?.(true);
    this.#input.on('keypress', this.#onKeypress);
    this.#input.resume();
  }

  /** Restores the terminal. Idempotent. */
  leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    process.off('exit', this.#onExit);
    this.#out.off?.('resize', this.#handlers.onResize);
    this.#input?.off('keypress', this.#onKeypress);
    this.#input?.setRawMode?.(false);
    this.#input?.pause();
    this.#out.write(LEAVE);
  }

  /** Overwrites line by line, because clearing the screen first would cause flicker. */
  draw(lines: readonly Line[]): void {
    const { columns } = this.size;
    const painted = lines.map((line, i) => `\u001b[${i + 1};1H${paint(line, columns, this.#hasColour)}${CLEAR_LINE}`);
    this.#out.write(painted.join(''));
  }
}
