/** The path with which a request is forwarded. It is below its prefix and cannot leave it. */
import type { IncomingMessage } from 'node:http';
import { ResilienceError } from '../../shared/errors.js';
import { originalPath } from '../../shared/http.js';

const ABSOLUTE = /^https?:\/\/[^/?#]*(.*)$/i;

/** Text that some servers may read as a dot segment: `..`, and an encoded dot. */
const MAY_CLIMB = /\.\.|%2e/i;

const SEPARATOR = /[/\\]|%2f|%5c/i;

/** `.` or `..`, also encoded, and also with the path parameters that some servers remove first (`..;x`). */
const DOTS = /^((?:\.|%2e){1,2})(?:;.*)?$/i;

/** Whether a path is the prefix or below it. */
export function isBelow(path: string, prefix: string): boolean {
  const folder = prefix.endsWith('/') ? prefix : `${prefix}/`;
  return path === prefix || path.startsWith(folder);
}

/** Whether a request, as its client sent it, is for a path below the prefix. */
export function matchesPrefix(req: IncomingMessage, prefix: string | undefined): boolean {
  return prefix === undefined || isBelow(originalPath(req), prefix);
}

/**
 * The path and query of a request as this middleware sees it: without the path at which it is mounted.
 *
 * @throws ResilienceError BAD_REQUEST for a target without a path, or with dot segments that leave the prefix or the
 *   path at which the middleware is mounted
 */
export function pathBelow(req: IncomingMessage, prefix: string | undefined): string {
  const url = req.url ?? '/';
  const path = url.startsWith('/') ? url : pathOfAbsolute(url);
  checkDots(path, prefix);
  return path;
}

function pathOfAbsolute(url: string): string {
  const rest = ABSOLUTE.exec(url)?.[1];
  if (rest === undefined) throw new ResilienceError('BAD_REQUEST', 'the request target cannot be forwarded');
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * The instance may resolve dot segments, and would then serve a path that is not below the prefix (RFC 3986 §5.2.4).
 *
 * @param prefix the path that the request must not leave, if it begins with it
 * @throws ResilienceError BAD_REQUEST
 */
export function checkDots(path: string, prefix?: string): void {
  if (!MAY_CLIMB.test(path)) return;
  const below = prefix !== undefined && isBelow(pathOnly(path), prefix) ? path.slice(prefix.length) : path;
  if (leaves(pathOnly(below))) throw new ResilienceError('BAD_REQUEST', 'the request target leaves its path');
}

function pathOnly(path: string): string {
  const end = path.search(/[?#]/);
  return end === -1 ? path : path.slice(0, end);
}

function leaves(path: string): boolean {
  let depth = 0;
  for (const segment of path.split(SEPARATOR)) {
    if (segment === '') continue; // servers disagree whether an empty segment counts, so it adds no depth
    const dots = DOTS.exec(segment)?.[1]?.toLowerCase().replaceAll('%2e', '.');
    if (dots === undefined) depth++;
    else if (dots === '..' && --depth < 0) return true;
  }
  return false;
}
