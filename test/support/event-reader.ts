/** Reads a response of server-sent events, one event at a time. */
import { SseParser, type ServerSentEvent } from '../../servers/dashboard/model/sse-parser.js';

export interface ReadEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export class EventReader {
  readonly #parser = new SseParser();
  readonly #decoder = new TextDecoder();
  readonly #chunks: ReadableStreamDefaultReader<Uint8Array>;
  readonly #ready: ServerSentEvent[] = [];
  /** The id of the last event that `next` returned or that arrived with it. */
  lastEventId = '';

  constructor(body: ReadableStream<Uint8Array>) {
    this.#chunks = body.getReader();
  }

  /** The next event; undefined at the end of the stream. */
  async next(): Promise<ReadEvent | undefined> {
    while (this.#ready.length === 0) {
      const { value, done } = await this.#chunks.read();
      if (done) return undefined;
      this.#ready.push(...this.#parser.push(this.#decoder.decode(value, { stream: true })));
      this.lastEventId = this.#parser.lastEventId;
    }
    const { event, data } = this.#ready.shift()!;
    return { event, data: JSON.parse(data) as Record<string, unknown> };
  }

  /** All events up to the end of the stream. */
  async rest(): Promise<ReadEvent[]> {
    const events: ReadEvent[] = [];
    for (let one = await this.next(); one !== undefined; one = await this.next()) events.push(one);
    return events;
  }
}
