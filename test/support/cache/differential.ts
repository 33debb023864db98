/**
 * A generated application, served with and without `cacheResponse` on one clock. RFC 9111 restricts the cached one: it
 * may answer only what the bare one would have answered to the same request, now or within the freshness it stated.
 */
import http, { type RequestListener } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import {
  cacheResponse,
  type CacheResponse,
  type CacheResponseOptions,
} from '../../../src/middleware/cache-response.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { buildApplication, isExpress, prefixOf, type Handler, type Shape } from './application.js';
import { askHttp1, askHttp2, endClients, fieldOf, type Received, type Sent } from './client.js';
import { describeAnswer, isMadeOf, isSame } from './equivalence.js';
import { History } from './history.js';
import { Answering, failureOf, removeFiles, type Resource } from './resource.js';

export interface Asked {
  readonly path: number;
  readonly method: string;
  /** Whose fields are sent. */
  readonly client: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Which validator of the client's last answer it sends: as a condition, or with its range. */
  readonly sends: 'nothing' | 'If-None-Match' | 'If-Modified-Since' | 'If-Range';
  readonly range?: string | undefined;
  readonly leaves?: 'now' | 'head' | undefined;
}

export const SAFE = ['GET', 'HEAD', 'OPTIONS'];
const FIELD_OF = { 'If-None-Match': 'etag', 'If-Modified-Since': 'last-modified', 'If-Range': 'etag' } as const;
/** Turns of the event loop until promises that are not awaited have settled; far more than they take. */
const MOST_TURNS = 2_000;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The cached application and the bare one, by protocol: the same servers for every application. */
const servers = new Map<string, Server>();
let listeners: RequestListener[] = [];

async function serverFor(isHttp2: boolean, which: number): Promise<number> {
  const name = `${isHttp2 ? 'http2' : 'http1'} ${which}`;
  let server = servers.get(name);
  if (server === undefined) {
    const listener: RequestListener = (req, res) => listeners[which]!(req, res);
    server = isHttp2 ? http2.createServer(listener as never) : http.createServer({ keepAliveTimeout: 0 }, listener);
    servers.set(name, server);
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  }
  return (server.address() as AddressInfo).port;
}

/** Ends the clients and servers of all applications. */
export async function endAll(): Promise<void> {
  endClients();
  for (const server of servers.values()) await new Promise((resolve) => server.close(resolve));
  servers.clear();
  removeFiles();
}

export class Differential {
  readonly clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
  readonly cache: CacheResponse;
  /** Runs of the cached application's handler, and those that no counter of the cache covers. */
  handled = 0;
  uncounted = 0;
  readonly #shape: Shape;
  readonly #resources: readonly Resource[];
  readonly #history: History;
  readonly #held = new Map<string, Received>();
  #ports: number[] = [];
  #override: number | undefined;

  constructor(shape: Shape, resources: readonly Resource[], options: CacheResponseOptions) {
    this.#shape = shape;
    this.#resources = resources;
    this.#history = new History(resources.length, this.clock);
    this.cache = cacheResponse({ clock: this.clock, tags: (req) => [`tag${this.#pathOf(req.url!)}`], ...options });
  }

  async start(): Promise<void> {
    const isHttp2 = this.#shape.framework === 'http2';
    this.#ports = [await serverFor(isHttp2, 0), await serverFor(isHttp2, 1)];
    listeners = [
      buildApplication(this.#shape, this.cache, this.#handler(true)),
      buildApplication(this.#shape, undefined, this.#handler(false)),
    ];
  }

  /** Changes the resource without invalidating it in the cache. */
  change(path: number): void {
    this.#history.change(path);
  }

  async purge(how: 'url' | 'tag' | 'soft' | 'pattern', path: number): Promise<void> {
    const target = `${prefixOf(this.#shape)}/${path}`;
    // A target that middleware rewrites is part of the facet: what a client asked for is what is purged.
    if (how === 'url') await this.cache.purge(target);
    else if (how === 'pattern') await this.cache.invalidatePattern(`${target}*`);
    else await this.cache.purgeTag(`tag${path}`, { soft: how === 'soft' });
    if (how !== 'soft') this.#history.forget(path);
  }

  /** Asks the cached application all at once, and checks each answer; `meanwhile` runs while they are on their way. */
  async askAll(all: readonly Asked[], meanwhile?: () => Promise<void>): Promise<void> {
    const askedAt = this.#history.moment();
    const sent = all.map((asked) => this.#sentBy(asked));
    const answers = Promise.all(sent.map((one) => this.#ask(0, one)));
    if (meanwhile !== undefined) {
      await turn();
      await meanwhile();
    }
    const received = await answers;
    await this.#settle();
    for (const [i, asked] of all.entries()) {
      const answer = received[i]!;
      if (asked.leaves !== undefined) this.uncounted++;
      else if (!SAFE.includes(asked.method)) this.#history.forget(asked.path, hostOf(asked));
      else if (asked.method !== 'OPTIONS') await this.#check(asked, sent[i]!, answer, askedAt);
      if (asked.method === 'HEAD') {
        this.#history.confirm(asked.path, this.#resources[asked.path]!, isExpress(this.#shape));
      }
      if (asked.leaves === undefined && asked.method === 'GET') this.#hold(asked, answer);
    }
  }

  async #settle(): Promise<void> {
    const isBusy = (): boolean => this.cache.stats().inFlight + this.cache.stats().waiting > 0;
    for (let turns = 0; turns < 5 || (isBusy() && turns < MOST_TURNS); turns++) await turn();
    if (isBusy()) throw new Error(`requests are left over: ${JSON.stringify(this.cache.stats())}`);
  }

  #sentBy({ path, method, client, headers, sends, range, leaves }: Asked): Sent {
    const held = sends === 'nothing' ? undefined : this.#held.get(`${client} ${path}`);
    const validator = held === undefined || sends === 'nothing' ? undefined : fieldOf(held, FIELD_OF[sends]);
    const own: Record<string, string> = { ...headers };
    if (range !== undefined) own.range = range;
    if (validator !== undefined) own[sends.toLowerCase()] = validator;
    return { method, target: `${prefixOf(this.#shape)}/${path}`, headers: own, leaves };
  }

  #hold({ client, path }: Asked, answer: Received): void {
    if (answer.status === 200 && !answer.isTorn) this.#held.set(`${client} ${path}`, answer);
  }

  async #check(asked: Asked, sent: Sent, answer: Received, askedAt: number): Promise<void> {
    if (this.#isRefusal(asked, answer, askedAt)) return;
    const expected: string[] = [];
    for (const version of this.#history.allowed(asked, this.#resources[asked.path]!, askedAt)) {
      const bare = await this.#askBare(version, sent);
      if (isSame(answer, bare, sent)) return;
      expected.push(describeAnswer(bare));
      if (!isPlain(sent) && isMadeOf(answer, await this.#askBare(version, withoutConditions(sent)), sent)) return;
    }
    const request = `${sent.method} ${sent.target} ${JSON.stringify(sent.headers)}`;
    const status = fieldOf(answer, 'cache-status') ?? '';
    throw new Error(`${request}\n  ${status}\n  ${describeAnswer(answer)}\nallowed:\n  ${expected.join('\n  ')}`);
  }

  /** A 504 where only what is stored was asked for, or where it must be validated and its handler gave no answer. */
  #isRefusal(asked: Asked, { status }: Received, askedAt: number): boolean {
    const { path, headers } = asked;
    if (status !== 504) return false;
    if (headers['cache-control'] === 'only-if-cached') return true;
    const resource = this.#resources[path]!;
    const versions = this.#history.allowed(asked, resource, askedAt);
    const isUnreachable = versions.some((version) => failureOf(resource, version) === 'destroys');
    return isUnreachable && resource.directives.includes('must-revalidate');
  }

  async #askBare(version: number, sent: Sent): Promise<Received> {
    this.#override = version;
    try {
      return await this.#ask(1, sent);
    } finally {
      this.#override = undefined;
    }
  }

  #ask(server: number, sent: Sent): Promise<Received> {
    return (this.#shape.framework === 'http2' ? askHttp2 : askHttp1)(this.#ports[server]!, sent);
  }

  #pathOf(url: string): number {
    return Number(/(\d+)(?:\?.*)?$/.exec(url)?.[1]);
  }

  #handler(isCached: boolean): Handler {
    return (req, res, next) => {
      const path = this.#pathOf(req.url!.split('?')[0]!);
      if (isCached) this.handled++;
      if (!SAFE.includes(req.method!)) {
        if (isCached) this.#history.change(path);
        if (isCached) this.uncounted++;
        return void res.writeHead(204).end();
      }
      const version = this.#override ?? this.#history.version(path);
      if (isCached && failureOf(this.#resources[path]!, version) !== 'never') this.uncounted++;
      if (isCached && req.method === 'OPTIONS') this.uncounted++;
      new Answering(this.#resources[path]!, path, version).run(req, res, isExpress(this.#shape) ? next : undefined);
    };
  }
}

const hostOf = ({ headers }: Asked): string => String(headers.host);

const CONDITIONS = ['if-none-match', 'if-modified-since', 'if-range', 'range'];

const isPlain = ({ headers }: Sent): boolean => !CONDITIONS.some((name) => name in headers);

function withoutConditions(sent: Sent): Sent {
  const kept = Object.entries(sent.headers).filter(([name]) => !CONDITIONS.includes(name));
  return { ...sent, headers: Object.fromEntries(kept) };
}
