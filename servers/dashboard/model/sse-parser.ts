/**
 * Server-sent events out of a stream of text, however it is cut (HTML Living Standard, 9.2.6). The kit reads an
 * orchestrator's stream with a parser of its own over Node's buffers: the page can load nothing that needs Node, servers
 * reach the kit through its entry points only, and a parser is nothing those should offer.
 */

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/** Characters of one unfinished event: what does not end is not ours. */
const MAX_PENDING = 8 * 1024 * 1024;

export class SseParser {
  /** The last id seen: what to return with. */
  lastEventId = '';
  /** Milliseconds to wait before returning, where the server said so. */
  retry: number | undefined;
  #rest = '';

  /** The events completed by this piece of text. */
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
