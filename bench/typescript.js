// Loads TypeScript of the repository, e.g. a support of the tests: bundled into a file here, its packages left outside.
import { build } from 'esbuild';

const scratch = new URL('node_modules/.cache/typescript/', import.meta.url);

/** The exports of the modules, together; `paths` count from the repository's root. */
export async function importTypescript(...paths) {
  const outfile = new URL(`${paths.join('+').replace(/\W+/g, '-')}.mjs`, scratch);
  await build({
    stdin: {
      contents: paths.map((path) => `export * from './${path.replace(/\.ts$/, '.js')}';`).join('\n'),
      resolveDir: new URL('..', import.meta.url).pathname,
    },
    outfile: outfile.pathname,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  return import(outfile);
}
