/**
 * Stack traces with the positions of the sources instead of those of the bundles. Node's `--enable-source-maps` decodes
 * every map at the start and keeps it, which took 70 MB of memory per service. This reads a map when an error of its
 * bundle is shown.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LRUCache } from 'lru-cache';
import { findSourcePosition, type SourceMapText } from './source-map-lookup.js';

/** Number of positions that are kept. The same few errors occur again and again. */
const KEPT = 500;

const POSITION = /((?:file:\/\/)?\/[^\s():]+\.js):(\d+):(\d+)/g;

const known = new LRUCache<string, string>({ max: KEPT });

/** The stack trace with the positions of the sources, where the bundles have maps. */
export function withSourcePositions(stack: string): string {
  return stack.replace(POSITION, (position, file: string, line: string, column: string) => {
    let source = known.get(position);
    if (source === undefined) {
      source = sourceOf(file, Number(line), Number(column)) ?? position;
      known.set(position, source);
    }
    return source;
  });
}

/** Shows the positions of the sources when an uncaught error ends this process. */
export function showSourcePositions(): void {
  process.on('uncaughtExceptionMonitor', (error) => {
    if (error instanceof Error && error.stack !== undefined) error.stack = withSourcePositions(error.stack);
  });
}

function sourceOf(file: string, line: number, column: number): string | undefined {
  try {
    const path = file.startsWith('file:') ? fileURLToPath(file) : file;
    const map = JSON.parse(readFileSync(`${path}.map`, 'utf8')) as SourceMapText;
    const found = findSourcePosition(map, line, column);
    return found && `${resolve(dirname(path), found.source)}:${found.line}:${found.column}`;
  } catch {
    return undefined; // there is no valid map; the position in the bundle remains
  }
}
