/** The bare application, and the same application with the kit mounted in each way there is. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import express4 from 'express4';
import {
  cacheResponse,
  compose,
  healthEndpoints,
  proxyBalanced,
  rateLimit,
  trace,
  type Closeable,
} from '../../src/index.js';
import { EXPRESS_SCENARIOS } from './express-answers.js';
import { FAILING_SCENARIOS } from './failing-answers.js';
import { NODE_SCENARIOS } from './node-answers.js';
import type { Scenario } from './scenario.js';

export const SCENARIOS: readonly Scenario[] = [...NODE_SCENARIOS, ...EXPRESS_SCENARIOS, ...FAILING_SCENARIOS];
export const FRAMEWORKS = { 'Express 5': express, 'Express 4': express4 } as const;
export type Framework = keyof typeof FRAMEWORKS;

/** The fields that the kit adds to a response: everything else on the wire is the application's. */
const ADDED = {
  trace: ['traceresponse'],
  rateLimit: ['RateLimit', 'RateLimit-Policy'],
  cacheResponse: ['Cache-Status', 'Age'],
  proxyBalanced: ['Via'],
};

export interface Variant {
  readonly name: string;
  /** Names of the fields that may be there beyond those of the bare application. */
  readonly added: readonly string[];
  /**
   * How the two are compared: every byte, or as a client reads them. The cache and the proxy hold or relay a message: they may
   * give its length where the application sent chunks, and order the fields anew.
   */
  readonly by: 'bytes' | 'reading';
  /** The proxy is a hop of its own (RFC 9110 §7.6). */
  readonly isHop?: true;
  /** A listener around the application, and what has to be closed after it. */
  readonly mount: (build: Build, barePort: number) => Promise<Mounted>;
}

interface Mounted {
  readonly listener: RequestListener;
  readonly parts: readonly Closeable[];
}

export type Part = RequestHandler & Closeable;

/** Makes an application that has these parts in front of everything else. */
export type Build = (parts: readonly Part[]) => RequestListener | Promise<RequestListener>;

/** An Express application with these parts in front of what `define` adds. */
export function expressWith(framework: Framework, parts: readonly Part[], define: (app: Express) => void): Express {
  const app = FRAMEWORKS[framework]();
  app.set('env', 'test'); // Express prints every error elsewhere
  for (const part of parts) app.use(part);
  define(app);
  // Express shows stacks, and each middleware in front is a frame of them.
  const withoutFrames: ErrorRequestHandler = (error: { stack?: unknown }, _req, _res, next) => {
    if (typeof error.stack === 'string') error.stack = error.stack.split('\n    at ')[0];
    next(error);
  };
  app.use(withoutFrames);
  return app;
}

const application =
  (framework: Framework): Build =>
  (parts) =>
    expressWith(framework, parts, (app) => {
      app.get('/end', (_req, res) => void res.end('end'));
      app.all('/s/:index', (req, res, next) => SCENARIOS[Number(req.params.index)]!.answer(req, res, next));
    });

const traced = (): Part => trace({ serviceName: 'differential' });
const limited = (): Part => rateLimit({ rateLimit: 1e9, refillRate: 1e9 });
const health = (): Part => healthEndpoints();
const cached = (): Part => cacheResponse();
const proxied = (port: number, prefix?: string): Part =>
  proxyBalanced({
    targets: [`http://127.0.0.1:${port}`],
    retry: false,
    circuitBreaker: false, // the application fails on purpose
    outlier: false,
    ...(prefix !== undefined && { prefix }),
  });

const within =
  (...make: ReadonlyArray<(port: number) => Part>): Variant['mount'] =>
  async (build, port) => {
    const parts = make.map((one) => one(port));
    return { listener: await build(parts), parts };
  };

const inFront =
  (...make: ReadonlyArray<(port: number) => Part>): Variant['mount'] =>
  async (build, port) => {
    const parts = make.map((one) => one(port));
    return { listener: compose(...parts, await build([])), parts };
  };

const fourFirst = [traced, health, limited, cached];
const ofFour = [...ADDED.trace, ...ADDED.rateLimit, ...ADDED.cacheResponse];

export const VARIANTS: readonly Variant[] = [
  { name: 'trace', added: ADDED.trace, by: 'bytes', mount: within(traced) },
  { name: 'rateLimit', added: ADDED.rateLimit, by: 'bytes', mount: within(limited) },
  { name: 'healthEndpoints', added: [], by: 'bytes', mount: within(health) },
  { name: 'cacheResponse', added: ADDED.cacheResponse, by: 'reading', mount: within(cached) },
  {
    name: 'all five',
    added: ofFour,
    by: 'reading',
    mount: within(...fourFirst, (port) => proxied(port, '/elsewhere')),
  },
  { name: 'compose alone before', added: [], by: 'bytes', mount: inFront() },
  { name: 'compose with four before', added: ofFour, by: 'reading', mount: inFront(...fourFirst) },
  {
    name: 'proxyBalanced before',
    added: ADDED.proxyBalanced,
    by: 'reading',
    isHop: true,
    mount: async (_build, port) => {
      const proxy = proxied(port);
      return { listener: compose(proxy), parts: [proxy] };
    },
  },
];

export const BARE: Variant = { name: 'bare', added: [], by: 'bytes', mount: within() };

export interface Running {
  readonly port: number;
  close(): Promise<void>;
}

/** @param barePort where the bare application listens, for variants that forward to it */
export async function start({ mount }: Variant, build: Build, barePort: number): Promise<Running> {
  const { listener, parts } = await mount(build, barePort);
  const server: Server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      for (const part of parts) await part.close();
    },
  };
}

/** A server for the bare application and one for each variant, for each Express. */
export class Servers {
  readonly #running = new Map<string, Promise<Running>>();

  async port(framework: Framework, variant: Variant = BARE): Promise<number> {
    const key = `${framework} ${variant.name}`;
    let running = this.#running.get(key);
    if (running === undefined) {
      const build = application(framework);
      running = variant === BARE ? start(BARE, build, 0) : this.port(framework).then((bare) => start(variant, build, bare)); // prettier-ignore
      this.#running.set(key, running);
    }
    return (await running).port;
  }

  async close(): Promise<void> {
    for (const running of [...this.#running.values()].reverse()) await (await running).close();
    this.#running.clear();
  }
}
