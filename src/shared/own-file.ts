/** The file of this code, from which packages are looked for that are loaded on first use and at once. */
import { join } from 'node:path';

/** A frame of a stack: the file it names, as a path or a file URL. */
const FRAME_FILE = /(?:\(|at (?:async )?)((?:file:\/\/|\/|[A-Z]:\\).+?):\d+:\d+\)?$/;

/** The file this code runs from, in every build of it: read from the stack, because no two builds share another way. */
export function ownFile(): string {
  const { stack } = new Error();
  const frame = typeof stack === 'string' ? stack.split('\n')[1] : undefined;
  return FRAME_FILE.exec(frame ?? '')?.[1] ?? join(process.cwd(), 'index.js');
}
