/**
 * Gives requests and responses the properties that Express will add to them, before it changes their prototypes.
 *
 * V8 describes the properties of objects by shapes, which similar objects share. Before version 13 (Node 20 and 22), the
 * first property added after a change of the prototype gives each object a shape of its own. Every property that Express,
 * its middleware or Node itself reads from then on is then looked up the slow way, 0.5 to 3 µs each and 30 µs for a request
 * in all. A property that already exists is only written. All of them have the value that reading them gives anyway.
 */
import { subscribe } from 'node:diagnostics_channel';
import { IncomingMessage, ServerResponse, type Server } from 'node:http';

/** What the kit itself adds to requests and responses under Express. */
interface OwnProperties {
  readonly ofRequest?: symbol;
  /** Whether it replaces methods of the response. */
  readonly methods?: boolean;
}

const FIRST_VERSION_WITHOUT_NEED = 13;
const isNeeded = Number.parseInt(process.versions.v8 ?? '', 10) < FIRST_VERSION_WITHOUT_NEED;

/** The properties that Express and Node add to a request. */
interface Request {
  res: unknown;
  next: unknown;
  baseUrl: unknown;
  originalUrl: unknown;
  _parsedUrl: unknown;
  query: unknown;
  params: unknown;
  route: unknown;
  /** Of Node's EventEmitter: an own property from the first listener on. */
  _eventsCount: unknown;
  [symbol: symbol]: unknown;
}

/** The same of a response. */
interface Response {
  locals: unknown;
  statusCode: unknown;
  statusMessage: unknown;
  writeHead: unknown;
  write: unknown;
  end: unknown;
  addTrailers: unknown;
}

/** The property that the kit adds to requests, and whether it replaces methods of responses. */
let ownSymbol: symbol | undefined;
let replacesMethods = false;

/** A property that the router of Express 5 adds to requests; each copy of the router has its own symbol. */
const ROUTER_SYMBOL = 'router.tracing.matchedRoute';
/** The first requests of an application, in which the symbol is looked for. */
const MOST_LOOKS = 10;

/** An application of Express, whose requests and responses are prepared. */
class PreparedApplication {
  readonly #response: Response;
  /** Express 4 sets `query`, Express 5 computes it. */
  readonly #setsQuery: boolean;
  #routerSymbol: symbol | undefined;
  #looks = 0;
  #previous: object | undefined;

  constructor(request: object, response: Response) {
    this.#response = response;
    this.#setsQuery = !('query' in request);
  }

  prepare(req: IncomingMessage, res: ServerResponse): void {
    // Otherwise it is too late, or the objects are not Node's own.
    if (Object.getPrototypeOf(req) !== IncomingMessage.prototype) return;
    if (Object.getPrototypeOf(res) !== ServerResponse.prototype) return;
    if (this.#looks < MOST_LOOKS) this.#look(req);
    ownRequest(req as unknown as Request, this.#setsQuery, this.#routerSymbol);
    ownResponse(res as unknown as Response, this.#response);
  }

  #look(req: IncomingMessage): void {
    const symbols = Object.getOwnPropertySymbols(this.#previous ?? {});
    this.#routerSymbol = symbols.find(({ description }) => description === ROUTER_SYMBOL);
    this.#looks = this.#routerSymbol === undefined ? this.#looks + 1 : MOST_LOOKS;
    this.#previous = this.#looks < MOST_LOOKS ? req : undefined;
  }
}

/** Makes each property the object's own, with its present value. In plain code: V8 turns an object into a dictionary if names vary. */
function ownRequest(req: Request, setsQuery: boolean, routerSymbol: symbol | undefined): void {
  const { res, next, baseUrl, originalUrl, _parsedUrl, query, params, route, _eventsCount } = req;
  req.res = res;
  req.next = next;
  req.baseUrl = baseUrl;
  req.originalUrl = originalUrl;
  req._parsedUrl = _parsedUrl;
  if (setsQuery) req.query = query;
  req.params = params;
  req.route = route;
  req._eventsCount = _eventsCount;
  if (routerSymbol !== undefined) req[routerSymbol] = undefined;
  if (ownSymbol === undefined) return;
  const value = req[ownSymbol];
  req[ownSymbol] = value;
}

/** @param prototype of the application: a method of its own would be hidden by an own property */
function ownResponse(res: Response, prototype: Response): void {
  const { locals, statusCode, statusMessage, writeHead, write, end, addTrailers } = res;
  res.locals = locals;
  res.statusCode = statusCode;
  res.statusMessage = statusMessage;
  if (!replacesMethods) return;
  if (prototype.writeHead === NODES.writeHead) res.writeHead = writeHead;
  if (prototype.write === NODES.write) res.write = write;
  if (prototype.end === NODES.end) res.end = end;
  if (prototype.addTrailers === NODES.addTrailers) res.addTrailers = addTrailers;
}

const NODES = ServerResponse.prototype as unknown as Response;

function applicationOf(listeners: readonly unknown[]): PreparedApplication | undefined {
  for (const listener of listeners) {
    const { handle, request, response } = (listener ?? {}) as {
      handle?: unknown;
      request?: unknown;
      response?: unknown;
    };
    if (typeof handle !== 'function' || typeof request !== 'object' || request === null) continue;
    if (typeof response === 'object' && response !== null)
      return new PreparedApplication(request, response as Response);
  }
  return undefined;
}

/** By server, null if no listener is an application of Express. */
const served = new WeakMap<Server, PreparedApplication | null>();

function applicationBehind(server: Server): PreparedApplication | null {
  let application = served.get(server);
  if (application === undefined) {
    application = applicationOf(server.listeners('request')) ?? null;
    served.set(server, application);
  }
  return application;
}

interface RequestStarted {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly server: Server;
}

let isSubscribed = false;

/** Prepares, from now on, each request of a server whose listener is an application of Express. */
export function prepareForExpress({ ofRequest = ownSymbol, methods = replacesMethods }: OwnProperties = {}): void {
  if (!isNeeded) return;
  ownSymbol = ofRequest;
  replacesMethods = methods;
  if (isSubscribed) return;
  isSubscribed = true;
  subscribe('http.server.request.start', (message) => {
    const { request, response, server } = message as RequestStarted;
    applicationBehind(server)?.prepare(request, response);
  });
}

/** Prepares one request for the handlers of `compose`, if one of them is an application of Express. */
export function expressPreparation(
  handlers: readonly unknown[],
): ((req: IncomingMessage, res: ServerResponse) => void) | undefined {
  const application = isNeeded ? applicationOf(handlers) : undefined;
  return application && ((req, res) => application.prepare(req, res));
}
