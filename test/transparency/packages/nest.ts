/** NestJS on Express: controllers, pipes, guards, interceptors, filters, streams and uploads. */
import type { RequestListener } from 'node:http';
import { Readable } from 'node:stream';
import type { Part } from '../variants.js';
import { form, json, load, multipart, type PackageSuite } from './suite.js';

type Decorator = (target: object, key?: string | symbol, third?: unknown) => unknown;
type Class = abstract new (...args: never[]) => object;
type Common = Readonly<Record<string, (...args: unknown[]) => Decorator>> & {
  readonly ForbiddenException: new (message: string) => Error;
  readonly HttpException: new (body: unknown, status: number) => Error;
  readonly StreamableFile: new (content: Readable, options: object) => object;
  readonly ParseIntPipe: Class;
};

interface Application {
  use(part: Part): void;
  enableCors(options: object): void;
  init(): Promise<void>;
  getHttpAdapter(): { getInstance(): RequestListener };
}

interface Core {
  readonly NestFactory: { create(module: Class, options: object): Promise<Application> };
}

/** Decorators without the syntax, which Node does not have: of each method, and of its parameters in order. */
type Methods = Readonly<Record<string, { on: readonly Decorator[]; takes?: readonly Decorator[] }>>;

function decorate<T extends Class>(target: T, decorators: readonly Decorator[], methods: Methods = {}): T {
  const { prototype } = target as unknown as { prototype: object };
  for (const [name, { on, takes = [] }] of Object.entries(methods)) {
    takes.forEach((take, index) => take(prototype, name, index));
    on.forEach((apply) => apply(prototype, name, Object.getOwnPropertyDescriptor(prototype, name)));
  }
  decorators.forEach((apply) => apply(target));
  return target;
}

function catsController(common: Common): Class {
  const { Controller, Get, Post, Delete, Param, Query, Body, Header, HttpCode, Redirect, ParseIntPipe } = common;
  class Cats {
    all(): unknown {
      return [{ id: 1, name: 'Tom' }];
    }
    async text(): Promise<string> {
      return 'text';
    }
    moved(): void {}
    one(id: number, query: object): unknown {
      return { id, kind: typeof id, query };
    }
    create(body: unknown): unknown {
      return { created: body };
    }
    remove(): void {}
  }
  return decorate(Cats, [Controller!('cats')], {
    all: { on: [Get!()] },
    text: { on: [Get!('text'), Header!('X-Cat', 'yes')] },
    moved: { on: [Get!('moved'), Redirect!('/cats', 301)] },
    one: { on: [Get!(':id')], takes: [Param!('id', ParseIntPipe), Query!()] },
    create: { on: [Post!()], takes: [Body!()] },
    remove: { on: [Delete!(':id'), HttpCode!(204)] },
  });
}

function failingController(common: Common): Class {
  const { Controller, Get, UseFilters, UseGuards, Catch, ForbiddenException, HttpException } = common;
  class Guard {
    canActivate = (): boolean => false;
  }
  class Filter {
    catch(error: Error, host: { switchToHttp(): { getResponse(): { status(code: number): { json(v: unknown): void } } } }): void {
      host.switchToHttp().getResponse().status(422).json({ caught: error.message });
    }
  } // prettier-ignore
  const filter = decorate(Filter, [Catch!()]);
  class Failing {
    forbidden(): never {
      throw new ForbiddenException('no cats');
    }
    own(): never {
      throw new HttpException({ why: 'own' }, 451);
    }
    async unknown(): Promise<never> {
      throw new Error('secret');
    }
    guarded(): string {
      return 'never';
    }
    caught(): never {
      throw new Error('filtered');
    }
  }
  return decorate(Failing, [Controller!('failing')], {
    forbidden: { on: [Get!('forbidden')] },
    own: { on: [Get!('own')] },
    unknown: { on: [Get!('unknown')] },
    guarded: { on: [Get!('guarded'), UseGuards!(Guard)] },
    caught: { on: [Get!('caught'), UseFilters!(filter)] },
  });
}

interface RxJs {
  readonly of: (...values: unknown[]) => unknown;
  readonly map: (change: (value: unknown) => unknown) => unknown;
}

function streamController(common: Common): Class {
  const { Controller, Get, Post, Sse, Res, UseInterceptors, UploadedFile, StreamableFile } = common;
  const { of, map } = load<RxJs>('rxjs');
  const { FileInterceptor } = load<{ readonly FileInterceptor: (field: string) => Class }>('@nestjs/platform-express');
  class Wrap {
    intercept = (_context: unknown, next: { handle(): { pipe(step: unknown): unknown } }): unknown =>
      next.handle().pipe(map((data) => ({ data })));
  }
  class Streams {
    events(): unknown {
      return of({ data: { n: 1 }, id: 'one' }, { data: 'two', type: 'news' });
    }
    file(): object {
      return new StreamableFile(Readable.from(['a', 'b']), { type: 'text/csv', disposition: 'attachment; filename="a.csv"' }); // prettier-ignore
    }
    raw(res: { status(code: number): { send(body: string): void } }): void {
      res.status(202).send('by hand');
    }
    wrapped(): string[] {
      return ['inside'];
    }
    upload(file: { originalname: string; size: number } | undefined): unknown {
      return { name: file?.originalname ?? null, size: file?.size ?? 0 };
    }
  }
  return decorate(Streams, [Controller!('streams')], {
    events: { on: [Sse!('events')] },
    file: { on: [Get!('file')] },
    raw: { on: [Get!('raw')], takes: [Res!()] },
    wrapped: { on: [Get!('wrapped'), UseInterceptors!(Wrap)] },
    upload: { on: [Post!('upload'), UseInterceptors!(FileInterceptor('file'))], takes: [UploadedFile!()] },
  });
}

/** A middleware of Nest's own, for one controller. */
interface Consumer {
  apply(middleware: (req: unknown, res: { setHeader(name: string, value: string): void }, next: () => void) => void): { forRoutes(...paths: string[]): void }; // prettier-ignore
}

async function build(parts: readonly Part[]): Promise<RequestListener> {
  load('reflect-metadata');
  const common = load<Common>('@nestjs/common');
  class AppModule {
    configure(consumer: Consumer): void {
      consumer.apply((_req, res, next) => (res.setHeader('X-Nest', '1'), next())).forRoutes('cats');
    }
  }
  const controllers = [catsController, failingController, streamController].map((make) => make(common));
  decorate(AppModule, [common.Module!({ controllers })]);
  const app = await load<Core>('@nestjs/core').NestFactory.create(AppModule, { logger: false });
  for (const part of parts) app.use(part);
  app.enableCors({ origin: 'https://a.example', credentials: true });
  await app.init();
  return app.getHttpAdapter().getInstance();
}

const post = { method: 'POST' } as const;

export const nest: PackageSuite = {
  packages: ['@nestjs/core', '@nestjs/common', '@nestjs/platform-express', 'reflect-metadata', 'rxjs'],
  builds: { 'NestJS 11': build },
  steps: [
    { name: 'a list', target: '/cats', status: 200, shows: /X-Nest: 1[^]*\[\{"id":1,"name":"Tom"\}\]/ },
    { name: 'HEAD of a GET', method: 'HEAD', target: '/cats', status: 200 },
    { name: 'a condition', target: '/cats', fields: ['If-None-Match: *'], status: 304 },
    { name: 'text and a field', target: '/cats/text', status: 200, shows: /X-Cat: yes[^]*text/ },
    { name: 'a redirect', target: '/cats/moved', status: 301, shows: /Location: \/cats/ },
    { name: 'a pipe', target: '/cats/7?a=1', status: 200, shows: /\{"id":7,"kind":"number","query":\{"a":"1"\}\}/ },
    { name: 'a pipe that refuses', target: '/cats/x', status: 400, shows: /numeric string is expected/ },
    { name: 'a body', ...post, target: '/cats', ...json({ name: 'Kit' }), status: 201, shows: /\{"created":\{"name":"Kit"\}\}/ },
    { name: 'a form', ...post, target: '/cats', ...form('name=Kit'), status: 201, shows: /"name":"Kit"/ },
    { name: 'broken JSON', ...post, target: '/cats', ...json(1), body: '{', status: 400, shows: /"error":"Bad Request"/ },
    { name: 'a status of its own', method: 'DELETE', target: '/cats/7', status: 204 },
    { name: 'an exception', target: '/failing/forbidden', status: 403, shows: /"message":"no cats","error":"Forbidden"/ },
    { name: 'an exception of its own', target: '/failing/own', status: 451, shows: /\{"why":"own"\}/ },
    { name: 'an unknown error', target: '/failing/unknown', status: 500, shows: /\{"statusCode":500,"message":"Internal server error"\}/ },
    { name: 'a guard', target: '/failing/guarded', status: 403, shows: /Forbidden resource/ },
    { name: 'a filter', target: '/failing/caught', status: 422, shows: /\{"caught":"filtered"\}/ },
    { name: 'server-sent events', target: '/streams/events', fields: ['Accept: text/event-stream'], isKeptAlive: true, status: 200, shows: /text\/event-stream[^]*id: one\ndata: \{"n":1\}[^]*event: news/ },
    { name: 'a file', target: '/streams/file', status: 200, shows: /text\/csv[^]*ab/ },
    { name: 'the response by hand', target: '/streams/raw', status: 202, shows: /by hand/ },
    { name: 'an interceptor', target: '/streams/wrapped', status: 200, shows: /\{"data":\["inside"\]\}/ },
    { name: 'an upload', ...post, target: '/streams/upload', ...multipart({ field: 'file', content: 'content', fileName: 'a.txt' }), status: 201, shows: /\{"name":"a\.txt","size":7\}/ },
    { name: 'another field', ...post, target: '/streams/upload', ...multipart({ field: 'other', content: 'x', fileName: 'a.txt' }), status: 400, shows: /Unexpected (field|file)/ },
    { name: 'a preflight', method: 'OPTIONS', target: '/cats', fields: ['Origin: https://a.example', 'Access-Control-Request-Method: POST'], status: 204, shows: /Access-Control-Allow-Origin: https:\/\/a\.example/ },
    { name: 'another origin', target: '/cats', fields: ['Origin: https://b.example'], status: 200, shows: /Access-Control-Allow-Origin: https:\/\/a\.example/ },
    { name: 'nothing there', target: '/nothing', status: 404, shows: /"message":"Cannot GET \/nothing","error":"Not Found"/ },
  ], // prettier-ignore
};
