// A stream of frames. EventSource cannot send a token, so the page reads the stream with fetch.
// This class therefore reconnects with the last event id itself, as EventSource would.
import { SseParser } from '../model/sse-parser.ts';
import { authorization } from './api.js';

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 15_000;

/**
 * The server sends a heartbeat every 15 s. A stream that is silent for 40 s is dead, even if the connection is open.
 */
const SILENCE_MS = 40_000;

export class FrameSource {
  #parser = new SseParser();
  #handlers;
  #abort;
  #retryTimer;
  #silenceTimer;
  #failures = 0;

  /** @param handlers onFrame(frame), onState('live' | 'lost' | 'refused') */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  get isRunning() {
    return this.#abort !== undefined;
  }

  /** Connects, and reconnects whenever the stream breaks. */
  start() {
    this.stop();
    void this.#connect();
  }

  stop() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#abort?.abort();
    this.#abort = undefined;
  }

  async #connect() {
    const abort = new AbortController();
    this.#abort = abort;
    const lastEventId = this.#parser.lastEventId;
    this.#parser = new SseParser();
    this.#parser.lastEventId = lastEventId;
    try {
      await this.#follow(abort, lastEventId);
    } catch (error) {
      if (this.#abort !== abort) return; // stopped or restarted
      if (error.status === 401 || error.status === 403) {
        this.#handlers.onState('refused');
        return;
      }
    }
    if (this.#abort === abort) this.#comeBack();
  }

  async #follow(abort, lastEventId) {
    const headers = { Accept: 'text/event-stream', ...authorization() };
    if (lastEventId !== '') headers['Last-Event-ID'] = lastEventId;
    this.#expectSign(abort);
    const response = await fetch('/api/v1/dashboard/stream', { headers, signal: abort.signal, cache: 'no-store' });
    if (!response.ok) throw Object.assign(new Error('the stream was refused'), { status: response.status });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.#expectSign(abort);
      for (const { event, data } of this.#parser.push(value)) {
        this.#failures = 0;
        if (event === 'frame') this.#handlers.onFrame(JSON.parse(data));
      }
      this.#handlers.onState('live');
    }
  }

  #expectSign(abort) {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => abort.abort(), SILENCE_MS);
  }

  #comeBack() {
    clearTimeout(this.#silenceTimer);
    this.#handlers.onState('lost');
    const base = this.#parser.retry ?? FIRST_RETRY_MS;
    const delay = Math.min(base * 1.6 ** this.#failures++, MAX_RETRY_MS);
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
  }
}
