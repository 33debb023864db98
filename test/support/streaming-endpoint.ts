/** An HTTP server that streams chat completions. The test decides what each call says, and when. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from './eventually.js';

export class StreamedCall {
  isClosed = false;

  constructor(
    readonly headers: IncomingHttpHeaders,
    readonly body: { readonly stream?: boolean; readonly stream_options?: object; readonly max_tokens: number },
    readonly res: ServerResponse,
  ) {
    res.once('close', () => (this.isClosed = true));
  }

  /** Sends a part of the answer. */
  say(content: string): void {
    this.#send({ choices: [{ delta: { content }, finish_reason: null }] });
  }

  /** Ends the answer, with the tokens that it bills. */
  finish(usage?: { prompt_tokens: number; completion_tokens: number }): void {
    this.#send({ choices: [{ delta: {}, finish_reason: 'stop' }] });
    if (usage !== undefined) this.#send({ choices: [], usage });
    this.res.end('data: [DONE]\n\n');
  }

  #send(chunk: object): void {
    if (!this.res.headersSent) this.res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    this.res.write(`data: ${JSON.stringify(chunk)}\n\n`);
  }
}

export interface StreamingEndpoint {
  readonly url: string;
  readonly calls: readonly StreamedCall[];
  /** The call with this number, when it has arrived. */
  call(number?: number): Promise<StreamedCall>;
  close(): Promise<void>;
}

/** Starts one on a free port. */
export async function streamingEndpoint(): Promise<StreamingEndpoint> {
  const calls: StreamedCall[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as StreamedCall['body'];
      calls.push(new StreamedCall(req.headers, body, res));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls,
    call: async (number = 0) => (await eventually(() => calls[number], Boolean))!,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
