// Loads TypeScript of the repository, e.g. a support of the tests: bundled into a file here, its packages left outside.
import { build } from 'esbuild';

const scratch = new URL('node_modules/.cache/typescript/', import.meta.url);

async function bundle(name, entry) {
  const outfile = new URL(`${name.replace(/\W+/g, '-')}.mjs`, scratch);
  await build({
    ...entry,
    outfile: outfile.pathname,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  return outfile;
}

/** The exports of the modules, together; `paths` count from the repository's root. */
export async function importTypescript(...paths) {
  const contents = paths.map((path) => `export * from './${path.replace(/\.ts$/, '.js')}';`).join('\n');
  return import(
    await bundle(paths.join('+'), { stdin: { contents, resolveDir: new URL('..', import.meta.url).pathname } })
  );
}

/** The file to start for a program. */
export async function bundleProgram(path) {
  return (await bundle(path, { entryPoints: [new URL(`../${path}`, import.meta.url).pathname] })).pathname;
}
