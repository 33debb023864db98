/** `require` from the file of this code, for packages that are loaded on first use and at once. */
// As a namespace: webpack evaluates each call of an imported `createRequire`, and warns about an argument that is not constant.
import * as nodeModule from 'node:module';
import { join } from 'node:path';

/** A frame of a stack: the file it names, as a path or a file URL. */
const FRAME_FILE = /(?:\(|at (?:async )?)((?:file:\/\/|\/|[A-Z]:\\).+?):\d+:\d+\)?$/;

/** The file this code runs from, in every build of it: read from the stack, because no two builds share another way. */
function ownFile(): string {
  const { stack } = new Error();
  const frame = typeof stack === 'string' ? stack.split('\n')[1] : undefined;
  return FRAME_FILE.exec(frame ?? '')?.[1] ?? join(process.cwd(), 'index.js');
}

/** Finds packages that are installed beside this one. A bundler does not include them. */
export function ownRequire(): NodeJS.Require {
  return nodeModule.createRequire(ownFile());
}
