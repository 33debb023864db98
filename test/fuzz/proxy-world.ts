/** One script's proxy, instances and clients, and what must hold of them. */
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import express from 'express';
import express4 from 'express4';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { eventually, until } from '../support/eventually.js';
import { startFrameInstance, type FrameAnswer, type FrameInstance } from '../support/frame-instance.js';
import { countingClock, forgetLeftovers, leftovers } from '../support/leftovers.js';
import { startScriptedInstance, type ScriptedAnswer, type ScriptedInstance } from '../support/scripted-instance.js';
import type { Tally } from './harness.js';
import { runHttp1Client, runHttp2Client, type Reading } from './proxy-clients.js';
import { MARK, type ClientScript, type RequestScript, type Script } from './proxy-grammar.js';
import { judge, type Sighting } from './proxy-judge.js';

const HONEST: ScriptedAnswer = {
  isEarly: false,
  parts: ['HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest'],
  end: 'keep',
};
const HONEST_FRAMES: FrameAnswer = {
  isEarly: false,
  interim: [],
  status: '200',
  fields: [],
  body: 'honest',
  end: 'end',
};

const idOf = (text: string): string | undefined => /id\d+x/.exec(text)?.[0];

/** As long as `MARK`, so that lengths and chunk sizes hold. */
const shownMark = (id: string): string => id.padEnd(MARK.length, '.');

/** The index of the first request that is pipelined behind an upgrade which its instance accepts. */
function tunnelBegin({ requests }: ClientScript): number {
  const at = requests.findIndex(
    ({ framing, answer }) => framing === 'upgrade' && answer.parts.some((part) => part.startsWith('HTTP/1.1 101')),
  );
  return at === -1 ? requests.length : at + 1;
}

class World {
  readonly violations: string[] = [];
  readonly sent = new Map<string, RequestScript>();
  readonly #script: Script;
  readonly #http1: ScriptedInstance[] = [];
  readonly #http2: FrameInstance[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #clock = countingClock();
  #proxy!: ProxyBalanced;
  #server!: Server;
  #detach: (() => void) | undefined;
  /** Requests that may have reached an instance as bytes of a tunnel, which no proxy reads. */
  readonly #tunnelled = new Set<string>();
  #nextId = 0;

  constructor(script: Script) {
    this.#script = script;
  }

  async start(): Promise<void> {
    const { targets, attached, options, instanceProtocol } = this.#script;
    for (let i = 0; i < targets; i++) {
      if (instanceProtocol === 'http1') {
        this.#http1.push(await startScriptedInstance((line) => this.#answerFor(idOf(line))));
      } else this.#http2.push(await startFrameInstance((mark) => this.#framesFor(mark)));
    }
    this.#proxy = proxyBalanced({
      targets: [...this.#http1, ...this.#http2].map(({ url }) => url),
      timeout: 300,
      idleTimeout: 300,
      connectTimeout: 300,
      clock: this.#clock,
      ...(instanceProtocol === 'http2' && { http2: true, tls: { rejectUnauthorized: false } }),
      ...options,
    });
    this.#server = this.#createServer();
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    if (attached) this.#detach = this.#proxy.attach(this.#server);
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async client(script: ClientScript): Promise<void> {
    const { clientProtocol, instanceProtocol } = this.#script;
    const ids = script.requests.map((request) => {
      const id = `id${this.#nextId++}x`;
      this.sent.set(id, request);
      return id;
    });
    for (const id of ids.slice(tunnelBegin(script))) this.#tunnelled.add(id);
    const run = clientProtocol === 'http1' ? runHttp1Client : runHttp2Client;
    const readings = await run(this.#port, script, ids, instanceProtocol);
    for (const [i, reading] of readings.entries())
      this.#judgeReading(reading, reading.isTunnel ? ids.slice(i) : ids.slice(i, i + 1));
  }

  /** Nothing is left over, and an honest request is served. */
  async quiet(): Promise<void> {
    const rest = (): Record<string, number> => {
      const { active, upgraded } = this.#proxy.stats();
      const inFlight = this.#proxy.router.getRoutingStats()['upstream']?.inFlight ?? 0;
      const counts = { active, upgraded, inFlight, connections: this.#sockets.size, ...leftovers() };
      return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
    };
    await until(() => Object.keys(rest()).length === 0, 'something is left over').catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(rest())}`);
    });
    const { clientProtocol, instanceProtocol } = this.#script;
    const run = clientProtocol === 'http1' ? runHttp1Client : runHttp2Client;
    const ask = (): Promise<Reading[]> => run(this.#port, HONEST_CLIENT, ['honest'], instanceProtocol);
    // Asked again, because a busy machine may exceed the short timeouts of these scripts.
    await eventually(ask, ([answer]) => answer?.text.includes('honest') === true);
  }

  judge(): void {
    this.violations.push(...judge(this.#script, this.sent, this.#sightings(), this.#tunnelled));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#detach?.();
    const listeners = this.#server.listenerCount('upgrade') + this.#server.listenerCount('checkContinue');
    if (listeners > 0) this.violations.push(`${listeners} listeners of the server are left`);
    await this.#proxy.close();
    if (this.#clock.pending > 0) this.violations.push(`${this.#clock.pending} timers are left after close()`);
    await new Promise((resolve) => this.#server.close(resolve));
    const instances = [...this.#http1, ...this.#http2];
    await until(
      () => instances.every(({ connections }) => connections === 0),
      'close() leaves connections to instances open',
    );
    for (const instance of instances) await instance.close();
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #createServer(): Server {
    const { front, clientProtocol } = this.#script;
    const listener = compose(this.#proxy);
    // Express does not take Node's HTTP/2 requests.
    if (clientProtocol === 'http2') return createHttp2Server(listener as never) as never;
    if (front === 'compose') return createServer(listener);
    const library = front.endsWith('4') ? express4 : express;
    const app = library();
    app.disable('x-powered-by');
    if (front.startsWith('json')) {
      app.use(library.json({ type: '*/*', limit: '1mb' }), library.urlencoded({ extended: false }));
    }
    app.use(this.#proxy);
    app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
      if (res.headersSent) res.destroy();
      else res.status(400).end();
    });
    return createServer(app);
  }

  /** @param own the marks of the requests that this may answer */
  #judgeReading({ text, isWhole }: Reading, own: readonly string[]): void {
    for (const [mark] of text.matchAll(/id\d+x/g)) {
      if (!own.includes(mark)) this.violations.push(`the client of ${own.join(', ') || 'nothing more'} read ${mark}`);
      else if (isWhole && this.#isTorn(mark)) this.violations.push(`the torn answer to ${mark} looked whole`);
    }
  }

  #isTorn(id: string): boolean {
    const { answer, frames } = this.sent.get(id)!;
    if (this.#script.instanceProtocol === 'http1') return answer.isTorn;
    // If the length was met, an HTTP/1.1 client has the whole answer, even if errors follow.
    const isMet = frames.fields.some(([name, value]) => name === 'content-length' && value === '6');
    return frames.end !== 'end' && frames.end !== 'trailers' && !isMet;
  }

  #sightings(): Sighting[] {
    const http1 = this.#http1
      .flatMap(({ seen }) => seen)
      .filter(({ line }) => !/^(?:\w+ \/honest|OPTIONS \*) /.test(line)) // the latter is the proxy's own probe
      .map((one): Sighting => ({ ...one, id: idOf(one.line) }));
    const http2 = this.#http2
      .flatMap(({ seen }) => seen)
      .filter(({ mark }) => mark !== 'honest')
      .map((one): Sighting => ({ ...one, id: one.mark, line: undefined, fields: [] }));
    return [...http1, ...http2];
  }

  #answerFor(id = ''): ScriptedAnswer {
    const answer = this.sent.get(id)?.answer;
    if (answer === undefined) return HONEST;
    return { ...answer, parts: answer.parts.map((part) => part.replaceAll(MARK, shownMark(id))) };
  }

  #framesFor(id = ''): FrameAnswer {
    const frames = this.sent.get(id)?.frames;
    return frames === undefined ? HONEST_FRAMES : { ...frames, body: frames.body.replace(MARK, shownMark(id)) };
  }
}

const HONEST_CLIENT: ClientScript = {
  requests: [
    {
      method: 'GET',
      target: '/ID',
      host: 'Host: a',
      fields: ['Connection: close'],
      framing: 'none',
      body: '',
      answer: { ...HONEST, isTorn: false, isPlain: true },
      frames: HONEST_FRAMES,
    },
  ],
  sentShare: 1,
  step: 0,
};

/** Plays a script, and fails with what did not hold. */
export async function play(script: Script, tally: Tally): Promise<void> {
  forgetLeftovers();
  const world = new World(script);
  const onUncaught = (error: unknown): void => {
    const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.violations.push(`the process would have ended: ${shown}`);
  };
  const onWarning = (warning: Error): void => {
    if (warning.name === 'MaxListenersExceededWarning') world.violations.push(warning.stack ?? warning.message);
  };
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onUncaught);
  process.on('warning', onWarning);
  try {
    await world.start();
    await Promise.all(script.clients.map((client) => world.client(client)));
    await world.quiet();
    world.judge();
  } finally {
    await world.close();
    process.off('uncaughtException', onUncaught);
    process.off('unhandledRejection', onUncaught);
    process.off('warning', onWarning);
  }
  tally.exchanges = (tally.exchanges ?? 0) + world.sent.size;
  expect(world.violations).toEqual([]);
}
