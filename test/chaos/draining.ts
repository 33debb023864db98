/** Servers that drain behind a slow network, and the clients that keep sending meanwhile. */
import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { inQuietTurn } from '../../src/health/quiet-turn.js';
import { compose } from '../../src/middleware/compose.js';
import { healthEndpoints, type HealthEndpoints } from '../../src/middleware/health-endpoints.js';
import { FaultyLink } from './faulty-link.js';

/** Milliseconds that the network takes, each way. */
const NETWORK = 10;
/** Milliseconds after which everything that was sent has arrived. */
const UNDER_WAY = 5 * NETWORK;
/**
 * Milliseconds. The drain delay is longer than `proxyBalanced` takes to notice at `CHECK_INTERVAL`. The deadline, which cuts
 * connections, is longer than a busy machine takes to find a quiet moment.
 */
const DRAIN = { drainDelay: 700, drainTimeout: 60_000 };
export const CHECK_INTERVAL = 100;
/** Milliseconds that a client pauses at most between two requests. */
const THINKING = 40;

/** One instance of a service, reached over the network only. */
export class Instance {
  /** The port at which clients and balancers reach it. */
  readonly port: number;
  readonly #server: Server;
  readonly #health: HealthEndpoints;
  readonly #link: FaultyLink;
  #served = 0;

  private constructor(server: Server, health: HealthEndpoints, link: FaultyLink) {
    this.#server = server;
    this.#health = health;
    this.#link = link;
    this.port = link.port;
  }

  /** @param port where to be reached; by default at a free port */
  static async start(port?: number): Promise<Instance> {
    const health = healthEndpoints(DRAIN);
    const answer = (req: IncomingMessage, res: ServerResponse): void => {
      instance.#served++;
      req.resume().on('end', () => res.end('ok'));
    };
    const server = createServer(compose(health, answer)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const link = await FaultyLink.to((server.address() as AddressInfo).port, port);
    link.slow(NETWORK);
    refuseTogether(server, link);
    const instance = new Instance(server, health, link);
    return instance;
  }

  /** Requests of clients, without those of health checks. */
  get served(): number {
    return this.#served;
  }

  /** Drains as a signal of the system makes it. */
  async shutdown(): Promise<void> {
    await this.#health.shutdown(this.#server);
    await pause(UNDER_WAY); // the last responses
    await this.#link.close();
    this.#health.close();
  }
}

/** The network refuses connections when the server does. Those that it has accepted before still reach the server. */
function refuseTogether(server: Server, link: FaultyLink): void {
  const close = server.close.bind(server);
  server.close = (callback) => {
    const closeIdleConnections = server.closeIdleConnections.bind(server); // as the caller of `close` has it now
    const closeNow = (): void => {
      server.closeIdleConnections = closeIdleConnections;
      close(callback);
      Reflect.deleteProperty(server, 'closeIdleConnections');
    };
    void link
      .refuseQuietly()
      .then(() => pause(UNDER_WAY))
      .then(() => inQuietTurn(server, closeNow));
    return server;
  };
}

/** Clients with a connection of their own each, which they keep. Half of what they send is not safe to repeat. */
export class Clients {
  readonly #running: readonly Promise<void>[];
  #isStaying = false;
  #isEnding = false;
  answered = 0;
  /** The outcomes of requests that were not answered with 200. */
  readonly lost: string[] = [];

  constructor(count: number, port: number) {
    this.#running = Array.from({ length: count }, () => this.#run(port));
  }

  /** From now on no client opens another connection: each sends for as long as it has one. */
  stay(): void {
    this.#isStaying = true;
  }

  /** Settles when every client has stopped sending. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Sends no further requests. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.ended();
  }

  async #run(port: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let turn = 0; !this.#isEnding; turn++) {
      await pause(Math.random() * THINKING);
      if (this.#isStaying && Object.keys(agent.freeSockets).length === 0) break;
      const outcome = await ask(port, agent, turn % 2 === 0 ? 'GET' : 'POST');
      if (outcome === '200') this.answered++;
      else this.lost.push(outcome);
    }
    agent.destroy();
  }
}

/** The status of the response, or what broke. */
function ask(port: number, agent: Agent, method: 'GET' | 'POST'): Promise<string> {
  return new Promise((resolve) => {
    const failed = (error: Error): void =>
      resolve(`${method} ${(error as NodeJS.ErrnoException).code ?? error.message}`);
    const sent = request({ port, host: '127.0.0.1', path: '/', method, agent }, (res) => {
      let body = '';
      res.on('error', failed).on('data', (chunk: Buffer) => (body += chunk.toString()));
      res.on('end', () => resolve(res.statusCode === 200 ? '200' : `${method} ${res.statusCode} ${body}`));
    });
    sent.on('error', failed).end(method === 'POST' ? 'write' : undefined);
  });
}
