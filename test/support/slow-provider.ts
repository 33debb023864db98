/** A model provider that takes its time: an upstream whose callers do nothing but wait. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SlowProvider {
  readonly url: string;
  /** Writes a `PROVIDERS_FILE` that names it alone, at no cost. */
  writeFile(path: string): void;
  close(): Promise<void>;
}

/** @param delay milliseconds to each answer */
export async function slowProvider(delay: number): Promise<SlowProvider> {
  const answer = JSON.stringify({
    choices: [{ message: { role: 'assistant', content: 'in good time' } }],
    usage: { prompt_tokens: 5, completion_tokens: 3 },
  });
  const server = createServer((req, res) => {
    req
      .resume()
      .once('end', () => setTimeout(() => res.setHeader('Content-Type', 'application/json').end(answer), delay));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return {
    url,
    writeFile: (path) =>
      writeFileSync(path, JSON.stringify([{ id: 'slow', baseUrl: url, model: 'slow', inputPrice: 0, outputPrice: 0 }])),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
