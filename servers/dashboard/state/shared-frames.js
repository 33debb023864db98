// One stream for all tabs of this browser. A browser opens at most six HTTP/1.1 connections to a server, and each stream
// occupies one. The visible tab that holds the lock reads the stream and passes it on to the others. A hidden tab gives
// the lock back. Without Web Locks (plain HTTP from another machine), each visible tab reads a stream of its own.
import { FrameSource } from './event-stream.js';

const NAME = 'tooloo.frames';

/** A tab that is hidden for a moment keeps the stream. */
const HIDDEN_MS = 5000;

export class SharedFrames {
  #handlers;
  #source;
  #channel = globalThis.BroadcastChannel && new globalThis.BroadcastChannel(NAME);
  #lastFrame;
  #lastState = 'connecting';
  /** Ends this tab's turn, or its wait for one. */
  #release;
  #hiddenTimer;
  #isStarted = false;

  /** @param handlers onFrame(frame), onState('live' | 'lost' | 'refused'), as of FrameSource */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#source = new FrameSource({
      onFrame: (frame) => this.#tell({ frame }),
      onState: (state) => this.#tell({ state }),
    });
    this.#channel?.addEventListener('message', ({ data }) => this.#heard(data));
    document.addEventListener('visibilitychange', () => this.#visibilityChanged());
  }

  /** Follows the stream from now on; again with other credentials if it follows already. */
  start() {
    this.#isStarted = true;
    this.stop();
    if (!document.hidden) this.#takeTurn();
  }

  /** Follows the stream no more, also if another tab reads it or this tab becomes visible. */
  end() {
    this.#isStarted = false;
    this.stop();
  }

  stop() {
    this.#release?.();
    this.#release = undefined;
  }

  #takeTurn() {
    this.#channel?.postMessage({ question: true });
    if (navigator.locks === undefined || this.#channel === undefined) {
      this.#source.start();
      this.#release = () => this.#source.stop();
      return;
    }
    const waiting = new AbortController();
    let end;
    const ended = new Promise((resolve) => (end = resolve));
    this.#release = () => {
      waiting.abort();
      end();
    };
    navigator.locks
      .request(NAME, { signal: waiting.signal }, async () => {
        this.#source.start();
        await ended;
        this.#source.stop();
      })
      .catch((error) => {
        if (error.name !== 'AbortError') throw error; // the tab was hidden before its turn came
      });
  }

  /** Something from the own stream: for this tab and for the others. */
  #tell(message) {
    this.#remember(message);
    this.#channel?.postMessage(message);
    this.#show(message);
  }

  /** Something from the tab that reads the stream, or a question of a tab that was just opened. */
  #heard({ question, ...message }) {
    if (question) {
      if (this.#source.isRunning && this.#lastFrame !== undefined)
        this.#channel.postMessage({ frame: this.#lastFrame, state: this.#lastState });
      return;
    }
    if (!this.#isStarted || this.#source.isRunning) return;
    this.#remember(message);
    if (!document.hidden) this.#show(message);
  }

  #remember({ frame, state }) {
    if (frame !== undefined) this.#lastFrame = frame;
    if (state !== undefined) this.#lastState = state;
  }

  #show({ frame, state }) {
    if (frame !== undefined) this.#handlers.onFrame(frame);
    if (state !== undefined) this.#handlers.onState(state);
  }

  #visibilityChanged() {
    clearTimeout(this.#hiddenTimer);
    if (!this.#isStarted) return;
    if (document.hidden) this.#hiddenTimer = setTimeout(() => this.stop(), HIDDEN_MS);
    else if (this.#release === undefined) this.#takeTurn();
    else if (this.#lastFrame !== undefined) this.#show({ frame: this.#lastFrame, state: this.#lastState });
  }
}
