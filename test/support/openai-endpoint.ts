/** An HTTP server that speaks the chat completions protocol. The test sets how it behaves. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AskedCompletion {
  readonly headers: IncomingHttpHeaders;
  readonly body: {
    readonly model: string;
    readonly max_tokens: number;
    readonly messages: readonly { content: string }[];
  };
}

export interface Endpoint {
  readonly url: string;
  readonly asked: AskedCompletion[];
  /** What it does with the next requests. A string is what the model says, but for 'hang', which never answers. */
  behaviour: string | { readonly status: number } | { readonly raw: string };
  /** Requests whose caller went away before the answer. */
  abandoned: number;
  close(): Promise<void>;
}

/** Starts one on a free port. */
export async function openAiEndpoint(says = 'hello'): Promise<Endpoint> {
  const endpoint: Omit<Endpoint, 'url'> & { url: string } = {
    url: '',
    asked: [],
    behaviour: says,
    abandoned: 0,
    close: () => closeServer(server),
  };
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      endpoint.asked.push({ headers: req.headers, body: JSON.parse(Buffer.concat(chunks).toString()) });
      res.on('close', () => {
        if (!res.writableFinished) endpoint.abandoned++;
      });
      const { behaviour } = endpoint;
      if (behaviour === 'hang') return;
      res.setHeader('Content-Type', 'application/json');
      if (typeof behaviour === 'object') {
        if ('raw' in behaviour) return void res.end(behaviour.raw);
        res.statusCode = behaviour.status;
        return void res.end('{"error":{"message":"it says no"}}');
      }
      res.end(
        JSON.stringify({
          choices: [{ message: { role: 'assistant', content: behaviour } }],
          usage: { prompt_tokens: 10, completion_tokens: 20 },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return endpoint;
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
