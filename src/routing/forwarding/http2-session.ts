/**
 * One HTTP/2 session with an instance, and whether it is alive. Node can miss the end of a connection while it writes to
 * it (seen with Node 20.20 and 24.21; nodejs/node#49147 is similar). Such a session looks open, and requests sent on it
 * wait for ever.
 *
 * The session therefore sends a PING when a request is abandoned before its response has ended, and once per second of
 * silence while requests wait. It does not send more, because gRPC servers reject clients that ping often. A missing
 * answer does not prove that the session is dead, because the instance may be busy: the owner opens a new connection to
 * decide.
 */
import type { ClientHttp2Session } from 'node:http2';
import { afterFrame } from '../../shared/abort-response.js';
import { monotonicClock, startTimer, type Timer } from '../../shared/clock.js';

/** Milliseconds without a frame after which a session with requests is asked. */
const SILENCE = 1000;
/** Milliseconds it has to answer. */
const PING_TIMEOUT = 1000;

export interface SessionOwner {
  /** The session did not answer in time. It may still do so. */
  onUnanswered(session: Http2Session): void;
}

export class Http2Session {
  readonly session: ClientHttp2Session;
  readonly #owner: SessionOwner;
  #streams = 0;
  /** Whether a frame for a request came since the silence was last looked at. */
  #wasHeard = false;
  #silence: Timer | undefined;
  #deadline: Timer | undefined;
  #isAsked = false;
  #isUnanswered = false;

  constructor(session: ClientHttp2Session, owner: SessionOwner) {
    this.session = session;
    this.#owner = owner;
    session.once('close', () => this.#stop());
  }

  /** Whether no request is on it. */
  get isIdle(): boolean {
    return this.#streams === 0;
  }

  /** Whether it takes requests. */
  get isOpen(): boolean {
    return !this.session.closed && !this.session.destroyed;
  }

  /** Whether it owes an answer for longer than it should. */
  get isUnanswered(): boolean {
    return this.#isUnanswered;
  }

  began(): void {
    this.#streams++;
    this.#listen();
  }

  ended(): void {
    this.#streams--;
    if (this.#isUnanswered && this.isIdle) afterFrame(() => this.session.destroy());
  }

  /** A frame for a request came. */
  heard(): void {
    this.#wasHeard = true;
    this.#listen();
  }

  /** A request was given up: was it the session's fault? */
  doubt(): void {
    if (this.#isAsked || this.session.destroyed) return;
    this.#isAsked = true;
    this.#deadline = startTimer(monotonicClock, () => this.#unanswered(), PING_TIMEOUT);
    const answered = (): void => {
      this.#isAsked = this.#isUnanswered = false;
      this.#deadline?.cancel();
    };
    this.session.ping(answered); // also where it is not sent, because the session is closing
  }

  #unanswered(): void {
    this.#isUnanswered = true;
    if (this.isIdle) this.session.destroy();
    else this.#owner.onUnanswered(this);
  }

  /** One timer, set anew only when it fires. */
  #listen(): void {
    if (this.#silence !== undefined) return;
    this.#silence = startTimer(monotonicClock, () => this.#look(), SILENCE);
  }

  #look(): void {
    this.#silence = undefined;
    const wasHeard = this.#wasHeard;
    this.#wasHeard = false;
    if (this.isIdle) return;
    if (wasHeard) this.#listen();
    else this.doubt();
  }

  #stop(): void {
    this.#silence?.cancel();
    this.#deadline?.cancel();
  }
}
