/** The resources of a generated application: what they say of themselves, and a handler that answers as they say. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { NextFunction, Response } from 'express';

/** A resource of the application. */
export interface Resource {
  /** How the handler answers. Without Express, the kinds that only Express has are `plain`. */
  readonly kind: 'plain' | 'writes' | 'late' | 'stream' | 'empty' | 'send' | 'json' | 'file' | 'redirect';
  readonly status: number;
  readonly directives: readonly string[];
  /** Seconds that it says it is fresh, may be stale while it is validated, and may cover errors. */
  readonly lifetime: number;
  readonly stale: number;
  readonly covers: number;
  readonly vary: readonly string[];
  readonly validator: 'none' | 'strong' | 'weak';
  /** Whether the handler answers conditions and ranges itself. */
  readonly isConditional: boolean;
  /** What the body shows of the request beside the fields of `vary` and the target. */
  readonly shows: ReadonlyArray<'host' | 'x-forwarded-host' | 'cookie' | 'authorization'>;
  readonly form: 'setHeader' | 'object' | 'flat';
  readonly lines: readonly string[];
  readonly removes: boolean;
  readonly setsCookie: boolean;
  /** How every third version fails. */
  readonly fails: 'never' | 'tears' | 'destroys' | 'next' | 500 | 503;
}

/** Whether this version of the resource answers with an error, or is cut short. */
export function failureOf({ fails }: Resource, version: number): Resource['fails'] {
  return version % 3 === 0 ? fails : 'never';
}

const folder = mkdtempSync(join(tmpdir(), 'cache-files-'));
const written = new Set<string>();

/** Removes the files of all resources. */
export function removeFiles(): void {
  rmSync(folder, { recursive: true, force: true });
}

/** A file for each version, changed at a time of its own: `sendFile` makes its validators of size and time. */
function fileOf(path: number, version: number): string {
  const file = join(folder, `${path}-${version}.txt`);
  if (written.has(file)) return file;
  written.add(file);
  writeFileSync(file, `file ${path} v${version} ${'.'.repeat(version % 5)}`);
  utimesSync(file, 1_700_000_000 + version, 1_700_000_000 + version);
  return file;
}

/**
 * The parts of the request that an answer shows. The letter case and the spaces of its languages have no meaning, so
 * they are removed. HTTP/2 sends the host in a pseudo-header.
 */
function seenBy({ vary, shows }: Resource, { headers }: IncomingMessage): string {
  const valueOf = (name: string): unknown => {
    if (name === 'accept-language') return headers[name]?.toLowerCase().replaceAll(' ', '');
    return headers[name] ?? (name === 'host' ? headers[':authority'] : undefined);
  };
  return [...vary, ...shows].map((name) => `${name}=${String(valueOf(name))}`).join(' ');
}

function etagOf(resource: Resource, version: number, req: IncomingMessage): string {
  const seen = Buffer.from(seenBy(resource, req)).toString('hex');
  return `${resource.validator === 'weak' ? 'W/' : ''}"${version} ${seen}"`;
}

/** Answers with a version of a resource. */
export class Answering {
  readonly #resource: Resource;
  readonly #path: number;
  readonly #version: number;

  constructor(resource: Resource, path: number, version: number) {
    this.#resource = resource;
    this.#path = path;
    this.#version = version;
  }

  run(req: IncomingMessage, res: ServerResponse, next: NextFunction | undefined): void {
    const { removes } = this.#resource;
    const failure = failureOf(this.#resource, this.#version);
    if (removes) res.removeHeader('X-Frame-Options');
    if (failure === 'destroys') return destroy(res);
    if (failure === 'next' && next !== undefined) {
      next(Object.assign(new Error('broken'), { status: 503, stack: 'broken' }));
      return;
    }
    if (failure === 500 || failure === 503 || failure === 'next') return this.#fail(res, failure);
    if (next !== undefined && this.#answerByExpress(req, res as Response, failure)) return;
    this.#answerPlainly(req, res, failure);
  }

  #fail(res: ServerResponse, failure: 500 | 503 | 'next'): void {
    res.writeHead(failure === 'next' ? 503 : failure, { 'Content-Type': 'text/plain' }).end(`broken ${this.#version}`);
  }

  #answerByExpress(req: IncomingMessage, res: Response, failure: Resource['fails']): boolean {
    const { kind, validator, status } = this.#resource;
    if (failure === 'tears' || !['send', 'json', 'file', 'redirect'].includes(kind)) return false;
    for (const [name, value] of this.#fields(res)) res.setHeader(name, value);
    const text = this.#text(req);
    if (kind === 'send') res.status(status).type('text').send(text);
    else if (kind === 'json') res.status(status).json({ text });
    else if (kind === 'redirect') res.redirect(301, `/elsewhere?v=${this.#version}`);
    else {
      const hasValidator = validator !== 'none';
      const options = {
        etag: hasValidator,
        lastModified: hasValidator,
        cacheControl: false,
        dotfiles: 'allow' as const,
      };
      res.sendFile(fileOf(this.#path, this.#version), options);
    }
    return true;
  }

  #answerPlainly(req: IncomingMessage, res: ServerResponse, failure: Resource['fails']): void {
    const { kind, form, validator, isConditional } = this.#resource;
    const etag = etagOf(this.#resource, this.#version, req);
    const isKnown = isConditional && validator !== 'none' && req.headers['if-none-match']?.includes(etag) === true;
    const status = isKnown && this.#resource.status === 200 ? 304 : this.#resource.status;
    const fields = this.#fields(res);
    if (validator !== 'none') fields.push(['ETag', etag]);
    if (status !== 304) fields.push(['Content-Type', 'text/plain']);
    writeHead(res, status, fields, form);
    if (status === 304 || kind === 'empty') return void res.end();
    const text = this.#text(req);
    if (failure === 'tears') {
      res.write(text.slice(0, 3));
      return void setImmediate(() => destroy(res));
    }
    if (kind === 'stream') return void Readable.from([text.slice(0, 5), text.slice(5)]).pipe(res);
    if (kind !== 'writes' && kind !== 'late') return void res.end(text);
    res.write(text.slice(0, 3));
    if (kind === 'writes') return void res.end(Buffer.from(text.slice(3)));
    setImmediate(() => setImmediate(() => res.end(text.slice(3))));
  }

  #fields(res: ServerResponse): Array<[string, string | string[]]> {
    const { directives, vary, lines, setsCookie } = this.#resource;
    const fields: Array<[string, string | string[]]> = [];
    if (directives.length > 0) fields.push(['Cache-Control', directives.join(', ')]);
    if (vary.length > 0) fields.push(['Vary', varied(res.getHeader('Vary'), vary)]);
    if (lines.length > 0) fields.push(['X-Lines', [...lines]]);
    if (setsCookie) fields.push(['Set-Cookie', `v=${this.#version}`]);
    return fields;
  }

  #text(req: IncomingMessage): string {
    return `${req.url!} v${this.#version} ${seenBy(this.#resource, req)}`;
  }
}

/** Keeps the values that middleware has set, as `res.vary()` does. */
function varied(before: number | string | string[] | undefined, vary: readonly string[]): string[] {
  return [...(before === undefined ? [] : [before].flat().map(String)), ...vary];
}

function destroy(res: ServerResponse): void {
  const { stream } = res as unknown as { stream?: ServerHttp2Stream };
  if (stream === undefined) res.destroy();
  else stream.close(constants.NGHTTP2_INTERNAL_ERROR); // at once: the kit must not let others follow in the same frame
}

function writeHead(
  res: ServerResponse,
  status: number,
  fields: Array<[string, string | string[]]>,
  form: Resource['form'],
): void {
  if (form === 'object') return void res.writeHead(status, Object.fromEntries(fields));
  if (form === 'flat') {
    const flat = fields.flatMap(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]);
    return void res.writeHead(status, flat);
  }
  res.statusCode = status;
  for (const [name, value] of fields) res.setHeader(name, value);
}
