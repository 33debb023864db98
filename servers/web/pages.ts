/** The pages of the control room, compressed at build time. */
import { readdirSync } from 'node:fs';
import { extname } from 'node:path';
import express, { type RequestHandler } from 'express';
import { nameRoute } from '../../src/index.js';
import { PAGES_ROUTE } from '../support/pulse.js';

/** Encodings in the order of preference, with the ending of their files. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

/** Serves a folder. A file with a compressed one beside it is sent compressed, if the browser accepts that. */
export function servePages(folder: string): readonly RequestHandler[] {
  const files = new Set(readdirSync(folder, { recursive: true }).map((name) => `/${String(name)}`));
  const isCompressible = (path: string): boolean => ENCODINGS.some(([, ending]) => files.has(path + ending));

  const compressed: RequestHandler = (req, res, next) => {
    const path = req.path === '/' ? '/index.html' : req.path;
    if ((req.method !== 'GET' && req.method !== 'HEAD') || !isCompressible(path)) return next();
    res.vary('Accept-Encoding');
    const accepted = ENCODINGS.find(
      ([name, ending]) => files.has(path + ending) && req.acceptsEncodings(name) === name,
    );
    if (accepted === undefined) return next();
    const [name, ending] = accepted;
    const search = req.url.includes('?') ? req.url.slice(req.url.indexOf('?')) : '';
    req.url = path + ending + search;
    res.set('Content-Encoding', name).type(extname(path));
    next();
  };
  return [compressed, express.static(folder, { setHeaders: () => nameRoute(PAGES_ROUTE) })];
}
