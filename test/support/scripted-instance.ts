/** An instance for attacks on a proxy: reads requests strictly, byte by byte, and answers each as its script says. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One answer: bytes to write, pauses between them, and how the connection ends. */
export interface ScriptedAnswer {
  /** Whether it answers before it has read the body. */
  readonly isEarly: boolean;
  /** Written one after the other, each in a tick of its own. */
  readonly parts: readonly string[];
  readonly end: 'keep' | 'close' | 'reset' | 'hang';
}

/** A request as the instance understood it. */
export interface SeenRequest {
  readonly line: string;
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  body: string;
  isComplete: boolean;
}

export interface ScriptedInstance {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** Connections open now. */
  readonly connections: number;
  close(): Promise<void>;
}

/** @param answerFor the answer to a request, by its request line */
export async function startScriptedInstance(answerFor: (line: string) => ScriptedAnswer): Promise<ScriptedInstance> {
  const seen: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    new Connection(socket, seen, answerFor);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    get connections() {
      return sockets.size;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class Connection {
  readonly #socket: Socket;
  readonly #seen: SeenRequest[];
  readonly #answerFor: (line: string) => ScriptedAnswer;
  #buffer = '';
  #current: SeenRequest | undefined;
  #isAnswering = false;
  /** Whether its answer is out, and the connection may be used again. */
  #isAnswered = false;
  /** Whether it reads no further: a request that comes here meets a dead connection. */
  #isDead = false;

  constructor(socket: Socket, seen: SeenRequest[], answerFor: (line: string) => ScriptedAnswer) {
    this.#socket = socket;
    this.#seen = seen;
    this.#answerFor = answerFor;
    socket.on('data', (chunk: Buffer) => {
      this.#buffer += chunk.toString('latin1');
      if (this.#isDead && this.#current?.isComplete === true) socket.resetAndDestroy();
      else this.#read();
    });
  }

  #read(): void {
    if (this.#current === undefined) {
      const end = this.#buffer.indexOf('\r\n\r\n');
      if (end === -1) return;
      const [line = '', ...lines] = this.#buffer.slice(0, end).split('\r\n');
      const fields = lines.map((one) => {
        const colon = one.indexOf(':');
        return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()] as const;
      });
      this.#buffer = this.#buffer.slice(end + 4);
      this.#current = { line, fields, body: '', isComplete: false };
      this.#seen.push(this.#current);
      const answer = this.#answerFor(line);
      if (answer.isEarly) void this.#answer(answer);
    }
    this.#readBody(this.#current);
  }

  #readBody(request: SeenRequest): void {
    if (request.isComplete) return;
    const field = (name: string): string | undefined => request.fields.find(([one]) => one === name)?.[1];
    const rest =
      field('transfer-encoding') === undefined
        ? this.#byLength(Number(field('content-length') ?? 0))
        : this.#byChunks();
    if (rest === undefined) return;
    [request.body, this.#buffer] = rest;
    request.isComplete = true;
    if (this.#isAnswered) return this.#goOn();
    const answer = this.#answerFor(request.line);
    if (!answer.isEarly) void this.#answer(answer);
  }

  #byLength(length: number): [body: string, rest: string] | undefined {
    return this.#buffer.length < length ? undefined : [this.#buffer.slice(0, length), this.#buffer.slice(length)];
  }

  #byChunks(): [body: string, rest: string] | undefined {
    let at = 0;
    let body = '';
    for (;;) {
      const end = this.#buffer.indexOf('\r\n', at);
      if (end === -1) return undefined;
      const size = Number.parseInt(this.#buffer.slice(at, end), 16);
      if (Number.isNaN(size))
        throw new Error(`the proxy sent a bad chunk: ${JSON.stringify(this.#buffer.slice(at, at + 40))}`);
      if (size === 0) {
        const trailersEnd = this.#buffer.startsWith('\r\n', end + 2) ? end + 4 : after(this.#buffer, '\r\n\r\n', end);
        return trailersEnd === -1 ? undefined : [body, this.#buffer.slice(trailersEnd)];
      }
      if (this.#buffer.length < end + 2 + size + 2) return undefined;
      body += this.#buffer.slice(end + 2, end + 2 + size);
      at = end + 2 + size + 2;
    }
  }

  async #answer({ parts, end }: ScriptedAnswer): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    const request = this.#current!;
    for (const part of parts) {
      if (this.#socket.destroyed) return;
      this.#socket.write(Buffer.from(part, 'latin1'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (end === 'close') this.#socket.end();
    else if (end === 'reset') this.#socket.resetAndDestroy();
    this.#isDead = end !== 'keep';
    this.#isAnswered = end === 'keep';
    if (this.#isAnswered && request.isComplete) this.#goOn();
  }

  #goOn(): void {
    this.#isAnswering = this.#isAnswered = false;
    this.#current = undefined;
    if (this.#buffer.length > 0) this.#read();
  }
}

function after(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at === -1 ? -1 : at + mark.length;
}
