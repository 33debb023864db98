// What the fleet is bundled from, and which packages that takes along. `.ci/build.js` builds it, `.ci/licences.js` accounts
// for it.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The programs of the fleet, for esbuild. */
export function serverBundle(root, outdir) {
  return {
    absWorkingDir: root,
    entryPoints: readdirSync(join(root, 'servers'))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(root, 'servers', name)),
    outdir,
    bundle: true,
    external: ['better-sqlite3', 'pg', 'ioredis', 'cls-hooked'],
    // Tables of encodings and of media types stay files, which only those who need them read.
    loader: { '.json': 'copy' },
    // form-data asks for an older copy, and each copy fills its maps at the start.
    alias: { 'mime-types': join(root, 'node_modules/mime-types') },
    // CommonJS packages inside an ES module still ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);",
    },
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Nine processes read this at once: less of it to parse is a third of their start. Names stay, for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    // Node prints the line of an uncaught error, which would otherwise be a whole file.
    lineLimit: 200,
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    logLevel: 'warning',
  };
}

/**
 * The ES modules of the package, for esbuild. An entry is a few files instead of one per source, because Node reads and
 * links each module of an import separately. Packages are not bundled. The entries share their chunks, so that all of them
 * export the same class.
 */
export function packageBundle(root, outdir) {
  const source = join(root, 'src');
  return {
    absWorkingDir: root,
    entryPoints: readdirSync(source)
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(source, name)),
    outdir,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    metafile: true,
    logLevel: 'warning',
  };
}

/** The pages of the control room, for esbuild: one script and one style sheet, and what is loaded only when it is shown. */
export function dashboardBundle(root, outdir) {
  const source = join(root, 'servers/dashboard');
  return {
    absWorkingDir: root,
    entryPoints: [join(source, 'dashboard.js'), join(source, 'dashboard.css')],
    outdir,
    bundle: true,
    splitting: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    minify: true,
    metafile: true,
    logLevel: 'warning',
  };
}

/** The folder of the package that a file belongs to, as the lock file names it; undefined for a file of this project. */
function packageOf(file) {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
}

/** For each package in a bundle, by its folder: the outputs that hold some of it. */
export function packagesIn({ outputs }) {
  const packages = new Map();
  for (const [output, { inputs }] of Object.entries(outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = packageOf(input);
      if (folder === undefined || bytesInOutput === 0) continue;
      packages.set(folder, (packages.get(folder) ?? new Set()).add(output));
    }
  }
  return packages;
}
