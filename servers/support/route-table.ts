/**
 * The routes of a service as a table. Each route declares its purpose and its input. Therefore input is validated in
 * one place, a wrong method gets a 405, and the routes can be listed.
 */
import { Router, type Request, type Response } from 'express';
import * as z from 'zod';
import { requireControl, ResilienceError } from '../../src/index.js';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface RouteDefinition<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  /** One line for `GET /api/v1/system/routes`. */
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** `Cache-Control` of a successful response. Default `no-store`, because most responses are live state. */
  readonly cacheControl?: string;
  /** Requires the control token, or a direct local caller. For routes that change how the service itself behaves. */
  readonly control?: boolean;
}

export interface RouteInput<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly req: Request;
  /** For a handler that sends the response itself and returns `ANSWERED`. */
  readonly res: Response;
  /** Aborted when the client disconnects. Pass it to long operations. */
  readonly signal: AbortSignal;
}

/** The result of a handler: the members of the JSON object beside `ok: true`, or a `Reply` with a status. */
type Answer = object | Reply | typeof ANSWERED;

/** Returned by a handler that sends the response itself, such as a stream. */
export const ANSWERED = Symbol('answered');

/** A response with its own status and header fields. */
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

/** The routes of one resource, under a common prefix. */
export class RouteTable {
  readonly router = Router({ strict: false });
  readonly #entries: RouteEntry[] = [];
  readonly #methods = new Map<string, string[]>();

  /**
   * @param prefix path prefix of all routes, e.g. `/api/v1/training`
   * @param controlToken required by routes marked `control`
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

  /** Answers 405 with `Allow` to all other methods on the paths above. Call it last. */
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

/** The parsed body. A missing body counts as an empty object, so that fields get their defaults or a named error. */
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
 * Validates a value and returns what the schema makes of it.
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
