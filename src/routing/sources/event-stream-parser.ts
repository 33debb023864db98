/** Parses a stream of server-sent events (WHATWG HTML §9.2.6), as far as a client of a known server needs. */
import { StringDecoder } from 'node:string_decoder';

export interface ServerSentEvent {
  /** 'message' if the server does not name the type. */
  readonly event: string;
  readonly data: string;
}

/** The most characters of one event. A server that sends more is not the expected one. */
const MAX_EVENT = 16 * 1024 * 1024;

export class EventStreamParser {
  /** The id of the last event that had one: sent as `Last-Event-ID` on reconnecting. */
  lastEventId = '';
  /** Milliseconds to wait before reconnecting, as the server requested. */
  retry: number | undefined;
  readonly #decoder = new StringDecoder('utf8');
  readonly #onEvent: (event: ServerSentEvent) => void;
  #rest = '';
  #event = '';
  #id: string | undefined;
  #data: string[] = [];
  #size = 0;

  constructor(onEvent: (event: ServerSentEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** @throws RangeError if an event exceeds the limit */
  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
    if (this.#size + this.#rest.length > MAX_EVENT) throw new RangeError('the event is too large');
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') {
      this.#data.push(value);
      this.#size += value.length;
    } else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #dispatch(): void {
    if (this.#id !== undefined) this.lastEventId = this.#id;
    const event = { event: this.#event || 'message', data: this.#data.join('\n') };
    const hasData = this.#data.length > 0;
    this.#event = '';
    this.#data = [];
    this.#size = 0;
    if (hasData) this.#onEvent(event);
  }
}
