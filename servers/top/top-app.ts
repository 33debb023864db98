/** `top` on a terminal: follows the stream, redraws with each frame and each key. */
import { messageOf } from '../../src/index.js';
import { FleetHistory } from '../dashboard/model/history.js';
import type { DetailAnswer } from './instance-lines.js';
import { sceneOf, screen, type Shown } from './screen.js';
import type { FleetSource } from './source.js';
import { summarize, type FleetSummary } from './summary.js';
import { Terminal, type Input, type Output } from './terminal.js';
import { INITIAL_STATE, pressed, type TopState } from './top-state.js';

const RECONNECT_MS = 1000;

export interface TopAppOptions {
  readonly source: FleetSource;
  readonly out: Output;
  /** Undefined: there is no keyboard. */
  readonly input: Input | undefined;
  readonly hasColour: boolean;
  /** Ends the program. */
  readonly signal: AbortSignal;
}

export class TopApp {
  readonly #source: FleetSource;
  readonly #terminal: Terminal;
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  readonly #history = new FleetHistory();
  #state: TopState = INITIAL_STATE;
  /** While paused, the summary of the moment when the pause began. */
  #summary: FleetSummary | undefined;
  #problem: string | undefined;
  #answer: DetailAnswer;
  #isAsking = false;

  constructor({ source, out, input, hasColour, signal }: TopAppOptions) {
    this.#source = source;
    this.#signal = AbortSignal.any([signal, this.#ending.signal]);
    this.#terminal = new Terminal(out, input, hasColour, {
      onKey: (key) => this.#press(key),
      onResize: () => this.#draw(),
    });
  }

  /** Settles when the user quits or the signal aborts, with the terminal as it was before. */
  async run(): Promise<void> {
    this.#terminal.enter();
    try {
      this.#draw();
      while (!this.#signal.aborted) {
        await this.#follow();
        await pause(RECONNECT_MS, this.#signal);
      }
    } finally {
      this.#terminal.leave();
    }
  }

  async #follow(): Promise<void> {
    try {
      for await (const { frame } of this.#source.frames(this.#signal)) {
        this.#history.add(frame);
        this.#problem = undefined;
        this.#refresh();
      }
      this.#problem = `${this.#source.url} ended the stream. Trying again…`;
    } catch (error) {
      this.#problem = `${this.#source.url} cannot be followed: ${messageOf(error)}. Trying again…`;
    }
    if (!this.#signal.aborted) this.#draw();
  }

  #refresh(): void {
    if (!this.#state.isPaused) {
      this.#summary = summarize(this.#history);
      void this.#askInstance();
    }
    this.#draw();
  }

  #press(key: string): void {
    const before = this.#state;
    const after = pressed(before, key, sceneOf(this.#shown()));
    if (after === 'quit') {
      this.#ending.abort();
      return;
    }
    this.#state = after;
    const wasOpen = before.mode.kind === 'instance' && after.mode.kind === 'instance';
    if (!wasOpen) this.#answer = undefined;
    if (after.mode.kind === 'instance' && !wasOpen) void this.#askInstance();
    if (before.isPaused && !after.isPaused) this.#refresh();
    else this.#draw();
  }

  /** Asks for the probes and the log of the open instance. One question at a time. */
  async #askInstance(): Promise<void> {
    const { mode } = this.#state;
    if (mode.kind !== 'instance' || this.#isAsking) return;
    this.#isAsking = true;
    const answer = await this.#source.instance(mode.id, this.#signal);
    this.#isAsking = false;
    const now = this.#state.mode;
    if (this.#signal.aborted || now.kind !== 'instance') return;
    if (now.id !== mode.id) return this.#askInstance(); // another one was opened meanwhile
    this.#answer = answer;
    this.#draw();
  }

  #shown(): Shown {
    return {
      ...{ state: this.#state, summary: this.#summary, problem: this.#problem, answer: this.#answer },
      size: this.#terminal.size,
    };
  }

  #draw(): void {
    this.#terminal.draw(screen(this.#shown()));
  }
}

function pause(delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, delay);
    signal.addEventListener('abort', end, { once: true });
  });
}
