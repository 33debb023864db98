/**
 * Parses server-sent events from pieces of text (HTML Living Standard, 9.2.6).
 * The kit has another parser, for an orchestrator's stream, which works on Node's buffers. The page cannot use it
 * because the page cannot load code that needs Node. In addition, servers use the kit only through its entry points,
 * and a parser does not belong there.
 */

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/** Maximum length of an unfinished event in characters. A longer event is an error. */
const MAX_PENDING = 8 * 1024 * 1024;

export class SseParser {
  /** The last event id, to send when reconnecting. */
  lastEventId = '';
  /** Milliseconds to wait before reconnecting, if the server set it. */
  retry: number | undefined;
  #rest = '';

  /** Returns the events that this piece of text completes. */
  push(text: string): ServerSentEvent[] {
    this.#rest += text;
    if (this.#rest.length > MAX_PENDING) throw new RangeError('an event of the stream does not end');
    const blocks = this.#rest.split(/\r\n\r\n|\n\n|\r\r/);
    this.#rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => this.#read(block) ?? []);
  }

  #read(block: string): ServerSentEvent | undefined {
    let event = 'message';
    const data: string[] = [];
    for (const line of block.split(/\r\n|\n|\r/)) {
      const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
      if (name === 'event') event = value;
      else if (name === 'data') data.push(value);
      else if (name === 'id') this.lastEventId = value;
      else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
    }
    return data.length === 0 ? undefined : { event, data: data.join('\n') };
  }
}
