/** Runs a TypeScript program of the tests as a process of its own: bundled once, spoken to over Node's IPC channel. */
import { buildSync } from 'esbuild';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '../..');

/** Bundles the program into the folder; packages stay imports. Returns the bundle's path. */
export function bundleProgram(source: string, folder: string): string {
  const outfile = join(folder, 'program.cjs');
  buildSync({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    packages: 'external',
    // `import()` does not look in NODE_PATH, which is how the bundle finds packages; `require` does.
    supported: { 'dynamic-import': false },
    logLevel: 'error',
  });
  return outfile;
}

/** Starts a bundle; the caller ends it. */
export function startProgram(bundle: string, ...args: string[]): ChildProcess {
  const env = { ...process.env, NODE_PATH: join(root, 'node_modules') };
  return fork(bundle, args, { env, execArgv: [], serialization: 'advanced' }); // JSON knows no Infinity
}

/** The next message of a child; fails when it ends without one. */
export async function nextMessage<T>(child: ChildProcess): Promise<T> {
  const ended = new AbortController();
  try {
    return await Promise.race([
      once(child, 'message', { signal: ended.signal }).then(([message]) => message as T),
      once(child, 'exit', { signal: ended.signal }).then(([code, signal]) => {
        throw new Error(`the program ended (${String(code ?? signal)}) without a message`);
      }),
    ]);
  } finally {
    ended.abort();
  }
}
