/** The documented behaviour of a package, as applications that use it and exchanges with them. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Express } from 'express';
import type { RequestKind } from '../requests.js';
import { expressWith, FRAMEWORKS, type Build, type Framework } from '../variants.js';

/** Loads a package of this folder's own manifest. Its types are not installed with the project. */
export const load = createRequire(__filename) as <T>(name: string) => T;

/** Whether the manifest's packages were installed, by `npm ci` in this folder. */
export const isInstalled = (name: string): boolean => existsSync(join(__dirname, 'node_modules', name));

/** One request, and what the documentation of the package says of the response. */
export interface Step {
  readonly name: string;
  /** Default GET. */
  readonly method?: string;
  readonly target: string;
  readonly fields?: readonly string[];
  /** A byte per character. */
  readonly body?: string;
  /** The application keeps the connection open although the client asks it to close, so a second request ends it. */
  readonly isKeptAlive?: true;
  readonly status: number;
  /** Found in the head and the body of the response. */
  readonly shows?: RegExp;
}

export interface PackageSuite {
  /** The packages that it needs, the main one first. */
  readonly packages: readonly [string, ...string[]];
  /** By the framework that the package is used with. Each build has a state of its own. */
  readonly builds: Readonly<Record<string, Build>>;
  /** In this order, from one client that keeps its cookies. */
  readonly steps: readonly Step[];
}

/** The same application under each Express. */
export function underExpress(define: (app: Express, framework: Framework) => void): PackageSuite['builds'] {
  const build =
    (framework: Framework): Build =>
    (parts) =>
      expressWith(framework, parts, (app) => define(app, framework));
  const frameworks = Object.keys(FRAMEWORKS) as Framework[];
  return Object.fromEntries(frameworks.map((framework) => [framework, build(framework)]));
}

/** Text as the bytes of UTF-8, a byte per character. */
export const utf8 = (text: string): string => Buffer.from(text).toString('latin1');

/** Fields and body of a request whose body is JSON. */
export const json = (value: unknown): Pick<Step, 'fields' | 'body'> => ({
  fields: ['Content-Type: application/json'],
  body: utf8(JSON.stringify(value)),
});

/** Fields and body of a request whose body is a form. */
export const form = (body: string): Pick<Step, 'fields' | 'body'> => ({
  fields: ['Content-Type: application/x-www-form-urlencoded'],
  body,
});

/** A part of a multipart form: a text field, or a file with a name. */
export interface FormPart {
  readonly field: string;
  readonly content: string;
  readonly fileName?: string;
}

const BOUNDARY = 'form-boundary';

/** Fields and body of a request whose body is a multipart form. */
export function multipart(...parts: readonly FormPart[]): Pick<Step, 'fields' | 'body'> {
  const lines = parts.flatMap(({ field, content, fileName }) => [
    `--${BOUNDARY}`,
    `Content-Disposition: form-data; name="${field}"${fileName === undefined ? '' : `; filename="${fileName}"`}`,
    ...(fileName === undefined ? [] : ['Content-Type: text/plain']),
    '',
    content,
  ]);
  return {
    fields: [`Content-Type: multipart/form-data; boundary=${BOUNDARY}`],
    body: [...lines, `--${BOUNDARY}--`, ''].join('\r\n'),
  };
}

const LAST = 'GET /end HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';

/** The request of a step on the wire. */
export function requestOf(step: Step, cookies: string): RequestKind {
  const { name, method = 'GET', target, fields = [], body, isKeptAlive } = step;
  const isChunked = fields.some((field) => field.startsWith('Transfer-Encoding'));
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: a.test',
    ...fields,
    ...(cookies === '' || fields.some((field) => field.startsWith('Cookie')) ? [] : [`Cookie: ${cookies}`]),
    ...(body === undefined || isChunked ? [] : [`Content-Length: ${body.length}`]),
    ...(isKeptAlive === true ? [] : ['Connection: close']),
    '',
    body ?? '',
  ];
  const bytes = lines.join('\r\n') + (isKeptAlive === true ? LAST : '');
  return { name, bytes: () => bytes };
}
