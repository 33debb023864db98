/**
 * A service's routes as a table: each says what it is for and what it takes, so that input is validated in one place,
 * a wrong method is a 405, and the routes can be listed to whoever asks what the service offers.
 */
import { Router, type Request, type Response } from 'express';
import { z } from 'zod';
import { requireControl, ResilienceError } from '../../src/index.js';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface RouteDefinition<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  /** One line for `GET /api/v1/system/routes`. */
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** `Cache-Control` of a successful answer; `no-store` unless told, since most answers are live state. */
  readonly cacheControl?: string;
  /** Needs the control token (or a direct local caller): whatever changes how the service itself behaves. */
  readonly control?: boolean;
}

export interface RouteInput<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly req: Request;
  /** For a handler that answers by itself, and returns `ANSWERED`. */
  readonly res: Response;
  /** Aborted when the client goes away: hand it to whatever takes long. */
  readonly signal: AbortSignal;
}

/** What a handler answers: members of the JSON object beside `ok: true`, or a `Reply` where the status matters. */
type Answer = object | Reply | typeof ANSWERED;

/** What a handler returns that has answered, or goes on answering, by itself: a stream. */
export const ANSWERED = Symbol('answered');

/** An answer with a status and header fields of its own. */
export class Reply {
  constructor(
    readonly status: number,
    readonly body: object,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {}
}

/** 201 with the new resource. */
export function created(body: object): Reply {
  return new Reply(201, body);
}

export interface RouteEntry {
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly control: boolean;
}

const NOTHING = z.unknown();

/** The routes of one resource, all below one prefix. */
export class RouteTable {
  readonly router = Router({ strict: false });
  readonly #entries: RouteEntry[] = [];
  readonly #methods = new Map<string, string[]>();

  /**
   * @param prefix path all routes stand below, e.g. `/api/v1/training`
   * @param controlToken what routes marked `control` ask for
   */
  constructor(
    private readonly prefix: string,
    private readonly controlToken?: string,
  ) {}

  /** Method, full path and summary of each route. */
  get entries(): readonly RouteEntry[] {
    return this.#entries;
  }

  get = this.#adder('get');
  post = this.#adder('post');
  put = this.#adder('put');
  patch = this.#adder('patch');
  delete = this.#adder('delete');

  /** Answers 405 with `Allow` to every other method on the paths above. Call it last. */
  seal(): this {
    for (const [path, methods] of this.#methods) {
      const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
      this.router.all(path, (req, res, next) => {
        if (req.method === 'OPTIONS') res.set('Allow', allow).status(204).end();
        else
          next(
            new ResilienceError('METHOD_NOT_ALLOWED', `${req.method} is not allowed here; use ${allow}`, {
              headers: { Allow: allow },
            }),
          );
      });
    }
    return this;
  }

  #adder(method: Method) {
    return <P extends z.ZodType = z.ZodUnknown, Q extends z.ZodType = z.ZodUnknown, B extends z.ZodType = z.ZodUnknown>(
      path: string,
      definition: RouteDefinition<P, Q, B>,
      handler: (input: RouteInput<z.output<P>, z.output<Q>, z.output<B>>) => Answer | Promise<Answer>,
    ): this => {
      const full = path === '/' ? this.prefix : this.prefix + path;
      this.#entries.push({
        method: method.toUpperCase(),
        path: full,
        summary: definition.summary,
        control: definition.control === true,
      });
      this.#methods.set(full, [...(this.#methods.get(full) ?? []), method.toUpperCase()]);
      if (definition.control === true) this.router[method](full, requireControl(this.controlToken));
      this.router[method](full, async (req: Request, res: Response) => {
        const answer = await handler({
          params: validate('path', definition.params ?? NOTHING, req.params) as z.output<P>,
          query: validate('query', definition.query ?? NOTHING, req.query) as z.output<Q>,
          body: validate('body', definition.body ?? NOTHING, definition.body && bodyOf(req)) as z.output<B>,
          req,
          res,
          signal: abortSignalOf(res),
        });
        if (answer !== ANSWERED) send(res, answer, definition.cacheControl ?? 'no-store');
      });
      return this;
    };
  }
}

function send(res: Response, answer: object | Reply, cacheControl: string): void {
  const reply = answer instanceof Reply ? answer : new Reply(200, answer);
  res.status(reply.status).set('Cache-Control', cacheControl).set(reply.headers);
  res.json({ ok: true, ...reply.body });
}

/** The parsed body. One that was not sent is an empty object, so that a missing field is named, or has its default. */
function bodyOf(req: Request): unknown {
  if (req.body !== undefined) return req.body;
  const { 'content-length': length = '0', 'transfer-encoding': coding } = req.headers;
  if (length !== '0' || coding !== undefined) {
    throw new ResilienceError('UNSUPPORTED_MEDIA_TYPE', 'send the body as application/json');
  }
  return {};
}

function abortSignalOf(res: Response): AbortSignal {
  const controller = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished)
      controller.abort(new ResilienceError('CLIENT_CLOSED_REQUEST', 'the client closed the connection'));
  });
  return controller.signal;
}

/**
 * What the schema makes of a value.
 *
 * @throws ResilienceError VALIDATION_FAILED (400) that names the fields, in `detail` and in the `errors` member
 */
export function validate<S extends z.ZodType>(where: string, schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue) => ({
    field: [where, ...issue.path.map(String)].join('.'),
    message: issue.message,
  }));
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join('; ');
  throw new ResilienceError('VALIDATION_FAILED', detail, { extensions: { errors } });
}
