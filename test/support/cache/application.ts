/** A generated application around a handler: which framework, which middleware on which side of the cache, mounted where. */
import compression from 'compression';
import cors from 'cors';
import express, { type Express, type NextFunction, type RequestHandler } from 'express';
import express4 from 'express4';
import helmet from 'helmet';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { compose } from '../../../src/middleware/compose.js';
import type { Middleware } from '../../../src/shared/http.js';

export type Beside = 'fields' | 'helmet' | 'cors' | 'compression' | 'rewrite';

/** The shape of an application. */
export interface Shape {
  /** `http2` and `compose` are without Express. */
  readonly framework: 'Express 5' | 'Express 4' | 'compose' | 'http2';
  /** Where the handler is in Express: in the application, or in a sub-application, with the cache before or within it. */
  readonly mount: 'root' | 'cache / sub-application' | 'sub-application / cache';
  /** Before the cache, and between it and the handler. */
  readonly outer: readonly Beside[];
  readonly inner: readonly Beside[];
}

export type Handler = (req: IncomingMessage, res: ServerResponse, next: NextFunction | undefined) => void;

export const isExpress = ({ framework }: Shape): boolean => framework.startsWith('Express');

/** The prefix that clients put before the path of a resource. */
export const prefixOf = (shape: Shape): string => (isExpress(shape) && shape.mount !== 'root' ? '/sub' : '');

const MIDDLEWARE: Readonly<Record<Beside, () => RequestHandler>> = {
  fields: () => (req, res, next) => {
    res.setHeader('X-Frame-Options', 'DENY');
    res.setHeader('X-Before', String(req.headers['x-tenant']));
    next();
  },
  helmet: () => helmet() as RequestHandler,
  cors: () => cors({ origin: ['https://a.example', 'https://b.example'], credentials: true }),
  compression: () => compression({ threshold: 0 }),
  // By a field that no response varies on: the target that the handler sees is another one.
  rewrite: () => (req, _res, next) => {
    const region = req.headers['x-region'];
    if (region !== undefined) req.url += `?in=${String(region)}`;
    next();
  },
};

/**
 * Compression writes to the internals of HTTP/1.1. If a target is rewritten behind the cache, the application must vary
 * on it. If it is rewritten before the cache, only Express distinguishes it from the client's target.
 */
function fits(shape: Shape, isInner: boolean): (one: Beside) => boolean {
  const unfit = [
    ...(shape.framework === 'http2' ? ['compression'] : []),
    ...(isInner || !isExpress(shape) ? ['rewrite'] : []),
    ...(isInner ? ['fields'] : []),
  ];
  return (one) => !unfit.includes(one);
}

/** @param cache undefined in the bare application */
export function buildApplication(shape: Shape, cache: Middleware | undefined, handler: Handler): RequestListener {
  const outer = shape.outer.filter(fits(shape, false)).map((one) => MIDDLEWARE[one]());
  const inner = shape.inner.filter(fits(shape, true)).map((one) => MIDDLEWARE[one]());
  const caches = cache === undefined ? [] : [cache as unknown as RequestHandler];
  if (!isExpress(shape)) {
    const chain = [...outer, ...caches, ...inner] as unknown as Middleware[];
    return compose(...chain, ((req, res) => handler(req, res, undefined)) as RequestListener);
  }
  const create = (shape.framework === 'Express 4' ? express4 : express) as () => Express;
  const last: RequestHandler = (req, res, next) => handler(req, res, next);
  const use = (app: Express, all: readonly RequestHandler[]): Express => {
    for (const one of all) app.use(one);
    return app;
  };
  const app = use(create(), outer);
  if (shape.mount === 'root') return use(app, [...caches, ...inner, last]);
  const isWithin = shape.mount === 'sub-application / cache';
  if (!isWithin) use(app, caches);
  app.use('/sub', use(create(), [...(isWithin ? caches : []), ...inner, last]));
  return app;
}
